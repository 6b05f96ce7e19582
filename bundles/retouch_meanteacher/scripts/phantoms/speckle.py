"""Speckle as scanners have it: multiplicative on the intensity, averaged by some, shown on a logarithmic scale."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter

from scripts.phantoms.vendors import Look, Scan

Picture = NDArray[np.float32]


def add_speckle(rng: np.random.Generator, display_HW: Picture, *, look: Look, scan: Scan, floor: float) -> Picture:
    """What the scanner shows of reflectivities.

    Fully developed speckle of one look has exponentially distributed intensity; the mean of M looks is gamma
    distributed with shape M (Goodman, Speckle Phenomena in Optics, 2007). Receiver noise sets a ``floor``.

    Args:
        display_HW: reflectivity on the logarithmic display scale, 0-1 over ``look.dynamic`` decibels.
        scan: its voxels decide over how many voxels a speckle grain extends; coarser voxels hold more grains.

    Returns:
        [H,W] on the same scale, not clipped.
    """
    bels = look.dynamic / 10
    widths = zip((look.axial, look.lateral), scan.spacing[1:], strict=True)
    sigmas = tuple(_grain(width / 1000 / spacing) for width, spacing in widths)
    coarser = scan.spacing[1] * scan.spacing[2] / (scan.native[1] * scan.native[2])
    shape = look.looks * coarser**0.5 * _kept_variance(sigmas)
    grains_HW = rng.standard_gamma(shape, display_HW.shape, dtype=np.float32) / np.float32(shape)
    if any(sigmas):
        grains_HW = gaussian_filter(grains_HW, sigmas, truncate=2.5)
    signal_HW = np.exp(display_HW * np.float32(bels * np.log(10))) + np.float32(10 ** (bels * floor))
    return (np.log10(signal_HW * np.maximum(grains_HW, np.float32(1e-4))) / np.float32(bels)).astype(np.float32)


def _grain(width: float) -> float:
    """Standard deviation in voxels of a grain ``width`` voxels wide; 0 where it is smaller than a voxel."""
    sigma = width / 2.355
    return sigma if sigma > 0.25 else 0.0


def _kept_variance(sigmas: tuple[float, ...]) -> float:
    """Share of white noise's variance that a Gaussian filter leaves."""
    kept = 1.0
    for sigma in sigmas:
        if sigma:
            reach = int(2.5 * sigma + 0.5)
            kernel = np.exp(-0.5 * (np.arange(-reach, reach + 1) / sigma) ** 2)
            kept *= float(((kernel / kernel.sum()) ** 2).sum())
    return kept
