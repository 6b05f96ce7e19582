"""What a mask says about a photograph: how many lesions, how large, where the optic disc is."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from shared.data.geometry import Geometry

Mask = npt.NDArray[np.bool_]


class Lesions(NamedTuple):
    """Number of 8-connected components, their area in pixels, and the area's share of the retina (0..1)."""

    number: int
    area_px: int
    retina_share: float


class Disc(NamedTuple):
    """Centre in photograph pixels (of pixel centres: the first is 0) and diameter of the circle of equal area."""

    centre_x: float
    centre_y: float
    diameter_px: float


def find_lesions(mask_HW: Mask, *, retina_px: float) -> Lesions:
    """Count and measure. ``retina_px`` is the area of the field of view in the same pixels."""
    from skimage.measure import label

    area = int(np.count_nonzero(mask_HW))
    if not area:
        return Lesions(0, 0, 0.0)
    _, count = label(_lit(mask_HW)[0], connectivity=2, return_num=True)
    return Lesions(int(count), area, area / retina_px)


def largest_component(mask_HW: Mask) -> Mask:
    """Only the largest 8-connected component, of equal ones the first; an empty mask as it is."""
    from skimage.measure import label

    if not mask_HW.any():
        return mask_HW
    lit, top, left = _lit(mask_HW)
    components = label(lit, connectivity=2)
    kept_HW = np.zeros_like(mask_HW)
    largest = 1 + int(np.bincount(components.ravel())[1:].argmax())
    kept_HW[top : top + lit.shape[0], left : left + lit.shape[1]] = components == largest
    return kept_HW


def find_disc(mask_HW: Mask) -> Disc | None:
    """The largest 8-connected component as a disc; ``None`` for an empty mask."""
    if not mask_HW.any():
        return None
    rows, columns = np.nonzero(largest_component(mask_HW))
    return Disc(float(columns.mean()), float(rows.mean()), 2 * float(np.sqrt(len(rows) / np.pi)))


def touches_border(mask_HW: Mask) -> bool:
    """Whether the mask reaches the first or last row or column: it is cut, and its diameter is not the object's."""
    return bool(mask_HW[[0, -1]].any() or mask_HW[:, [0, -1]].any())


def retina_area(geometry: Geometry | None, size: tuple[int, int]) -> float:
    """Area of the field of view in pixels of the photograph: its disc, cut off at the photograph's edges.

    Args:
        geometry: where the field of view lies; where unknown, the whole photograph is the field.
        size: the photograph's height and width in pixels.
    """
    height, width = size
    if geometry is None:
        return float(height * width)
    centre_y, centre_x, radius = geometry.centre_y, geometry.centre_x, geometry.diameter / 2
    half_chord = np.sqrt(np.clip(radius**2 - (np.arange(height) - centre_y) ** 2, 0, None))
    right = np.clip(centre_x + half_chord, -0.5, width - 0.5)
    left = np.clip(centre_x - half_chord, -0.5, width - 0.5)
    return max(1.0, float((right - left).sum()))


def _lit(mask_HW: Mask) -> tuple[Mask, int, int]:
    rows, columns = np.flatnonzero(mask_HW.any(1)), np.flatnonzero(mask_HW.any(0))
    top, left = int(rows[0]), int(columns[0])
    return mask_HW[top : rows[-1] + 1, left : columns[-1] + 1], top, left
