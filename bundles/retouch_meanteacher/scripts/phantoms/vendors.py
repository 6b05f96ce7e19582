"""The three scanners of RETOUCH: how large their volumes are, how voxels are stored, how their pictures look.

Sizes, types and extents as published (Bogunovic et al., IEEE Transactions on Medical Imaging 38, 2019): each covers
6 x 6 mm; Topcon volumes come from two models. The looks are set by eye.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.floating]
EXTENT_MM = 6.0


class Look(NamedTuple):
    """What a scanner makes of the light.

    Args:
        looks: speckle patterns averaged per A-scan. axial, lateral: resolution (full width at half maximum) in
            micrometres. floor: noise, 0-1 of the display. haze: how far black lies below it.
        contrast: of the stored picture. jitter: micrometres between B-scans. dynamic: decibels that are shown.
    """

    looks: float
    axial: float
    lateral: float
    floor: float
    haze: float
    contrast: float
    jitter: float
    dynamic: float


class Vendor(NamedTuple):
    """One scanner at full size: columns, models (rows, millimetres deep), B-scans, type of its voxels."""

    name: str
    columns: int
    models: tuple[tuple[int, float], ...]
    slices: int
    dtype: str
    look: Look


VENDORS = (
    Vendor("Cirrus", 512, ((1024, 2.0),), 128, "uint8", Look(1.6, 5.0, 18.0, 0.17, 0.09, 1.0, 7.0, 42.0)),
    Vendor("Spectralis", 512, ((496, 1.92),), 49, "uint16", Look(9.0, 7.0, 14.0, 0.10, 0.03, 0.95, 3.0, 40.0)),
    Vendor("Topcon", 512, ((885, 2.3), (650, 2.28)), 128, "uint8", Look(3.2, 6.0, 20.0, 0.27, 0.11, 0.90, 9.0, 46.0)),
)


class Scan(NamedTuple):
    """The voxel grid of one volume: ``shape`` (N, H, W), ``spacing`` (z, y, x) in mm, and the full size's spacing."""

    shape: tuple[int, int, int]
    spacing: tuple[float, float, float]
    native: tuple[float, float, float]

    @property
    def across_W(self) -> Floats:
        """Millimetres of the columns, 0 in the middle."""
        return self._centred(2)

    @property
    def along_N(self) -> Floats:
        """Millimetres of the B-scans, 0 in the middle."""
        return self._centred(0)

    @property
    def depth_H(self) -> NDArray[np.float32]:
        """Micrometres of the rows' centres below the top edge."""
        return ((np.arange(self.shape[1]) + 0.5) * self.spacing[1] * 1000).astype(np.float32)

    @property
    def depth(self) -> float:
        """Micrometres from the top edge to the bottom edge."""
        return self.shape[1] * self.spacing[1] * 1000

    @property
    def voxel_mm3(self) -> float:
        return self.spacing[0] * self.spacing[1] * self.spacing[2]

    def _centred(self, axis: int) -> Floats:
        number = self.shape[axis]
        return (np.arange(number) - (number - 1) / 2) * self.spacing[axis]


def scan_of(vendor: Vendor, *, model: int, scale: float, slice_scale: float) -> Scan:
    """The grid of a volume: ``scale`` shrinks rows and columns, ``slice_scale`` the number of B-scans; the extent in
    millimetres stays."""
    rows, deep = vendor.models[model % len(vendor.models)]
    height, width = round(rows * scale), round(vendor.columns * scale)
    slices = max(4, round(vendor.slices * slice_scale))

    def spacing(n: int, h: int, w: int) -> tuple[float, float, float]:
        return EXTENT_MM / (n - 1), deep / h, EXTENT_MM / w

    return Scan((slices, height, width), spacing(slices, height, width), spacing(vendor.slices, rows, vendor.columns))
