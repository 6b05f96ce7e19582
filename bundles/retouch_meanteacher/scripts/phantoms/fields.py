"""Smooth random surfaces over the scanned square, the same at every sampling."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import map_coordinates

_HALF_MM = 3.6
Map = NDArray[np.float32]


class Square(NamedTuple):
    """Positions of the A-scans: ``along_N`` and ``across_W`` in millimetres from the middle."""

    along_N: NDArray[np.floating]
    across_W: NDArray[np.floating]

    def grids(self, centre: tuple[float, float] = (0.0, 0.0)) -> tuple[Map, Map]:
        """Distances [N,1] and [1,W] in millimetres from ``centre`` (along, across)."""
        along_N1 = (self.along_N - centre[0])[:, None].astype(np.float32)
        across_1W = (self.across_W - centre[1])[None, :].astype(np.float32)
        return along_N1, across_1W

    def radius(self, centre: tuple[float, float]) -> Map:
        """Distance [N,W] in millimetres from ``centre`` (along, across)."""
        along_N1, across_1W = self.grids(centre)
        return np.hypot(along_N1, across_1W)


def smooth_field(rng: np.random.Generator, square: Square, *, length: float) -> Map:
    """A random surface [N,W] of mean 0 and deviation about 1 that changes over ``length`` millimetres."""
    number = int(2 * _HALF_MM / length) + 4
    control = rng.standard_normal((number, number)).astype(np.float32)
    rows_N, columns_W = ((axis + _HALF_MM) / length + 1 for axis in square)
    # Cubic splines through white noise; interpolation lowers the deviation to about 0.65 between the nodes.
    positions = np.meshgrid(rows_N, columns_W, indexing="ij")
    return (map_coordinates(control, positions, order=3, mode="nearest") / 0.75).astype(np.float32)


def dome(
    rng: np.random.Generator, square: Square, *, centre: tuple[float, float], radius: float, steepness: float
) -> Map:
    """A hill [N,W] of height 1 on a wavy round base of ``radius`` millimetres, exactly 0 outside."""
    along_N1, across_1W = square.grids(centre)
    angle = rng.uniform(0, np.pi)
    stretch = rng.uniform(0.75, 1.3)
    first = (along_N1 * np.cos(angle) + across_1W * np.sin(angle)) * stretch
    second = (across_1W * np.cos(angle) - along_N1 * np.sin(angle)) / stretch
    base = np.hypot(first, second) / radius * (1 + 0.18 * smooth_field(rng, square, length=0.9))
    return np.clip(1 - base**2, 0, None).astype(np.float32) ** np.float32(steepness)
