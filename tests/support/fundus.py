"""Tiny drawings that pass for fundus photographs: a disc with vessels and spots, the same at any resolution."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def draw_fundus(
    height: int = 178,
    width: int = 268,
    *,
    seed: int = 0,
    diameter: float = 0.8,
    shift: tuple[float, float] = (0.0, 0.0),
    brightness: float = 1.0,
) -> NDArray[np.uint8]:
    """RGB ``[H, W, 3]``; ``diameter`` in widths, ``shift`` (y, x) of the retina under the camera, in radii."""
    random = np.random.default_rng(seed)
    y, x = np.mgrid[:height, :width].astype(np.float64)
    radius = diameter * width / 2
    y, x = (y - (height - 1) / 2) / radius, (x - (width - 1) / 2) / radius
    inside = y**2 + x**2 <= 1
    y, x = y + shift[0], x + shift[1]
    retina = 1.0 - 0.25 * (y**2 + x**2)
    for _ in range(24):
        angle, offset, bend = random.uniform(0, np.pi), random.uniform(-0.9, 0.9), random.uniform(-0.6, 0.6)
        along, across = x * np.cos(angle) + y * np.sin(angle), -x * np.sin(angle) + y * np.cos(angle)
        retina -= 0.3 * np.exp(-(((across - offset - bend * along**2) / 0.02) ** 2))
    for _ in range(12):
        spot_y, spot_x = random.uniform(-0.6, 0.6, 2)
        retina += random.choice([-0.3, 0.3]) * np.exp(-((y - spot_y) ** 2 + (x - spot_x) ** 2) / 0.03**2)
    grey = np.clip(retina, 0.15, 1.6)[..., None] * np.array([165.0, 82.0, 28.0]) * brightness
    return np.clip(grey * inside[..., None], 0, 255).astype(np.uint8)
