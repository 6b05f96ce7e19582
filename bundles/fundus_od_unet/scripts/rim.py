"""The neuroretinal rim: vertical cup-to-disc ratio, and the rim's width around the disc.

Angles are degrees from the right of the picture, counter-clockwise as one looks at it: 90 is up, superior in an upright
photograph. A right eye's nose is on the right of its photograph.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from shared.report.findings import find_disc

Mask = NDArray[np.bool_]
ANGLES = 72
STEP_PX = 0.25


class RimProfile(NamedTuple):
    """Width of the rim in pixels along rays from the disc's centre, at ``angle_A`` degrees."""

    angle_A: NDArray[np.float64]
    width_A: NDArray[np.float64]


def vertical_extent(mask_HW: Mask) -> int:
    """Rows from the mask's first to its last, both counted; 0 for an empty mask."""
    rows = np.flatnonzero(mask_HW.any(1))
    return int(rows[-1] - rows[0] + 1) if len(rows) else 0


def vertical_ratio(disc_HW: Mask, cup_HW: Mask) -> float:
    """Vertical extent of the cup over the disc's; 0 without a cup, NaN without a disc."""
    height = vertical_extent(disc_HW)
    return vertical_extent(cup_HW) / height if height else float("nan")


def rim_profile(disc_HW: Mask, cup_HW: Mask, *, angles: int = ANGLES) -> RimProfile | None:
    """How much of each ray from the disc's centroid lies in the disc and outside the cup; ``None`` without a disc.

    So the width is also right where the cup does not hold the disc's centroid. Rays are sampled every quarter pixel by
    nearest neighbour: widths are right to about a pixel.

    Args:
        angles: number of rays, evenly around, the first to the right.
    """
    disc = find_disc(disc_HW)
    if disc is None:
        return None
    rows, columns = np.nonzero(disc_HW)
    longest = float(np.hypot(rows - disc.centre_y, columns - disc.centre_x).max()) + 1
    along_R = (np.arange(int(np.ceil(longest / STEP_PX))) + 0.5) * STEP_PX
    angle_A = np.arange(angles, dtype=np.float64) * (360 / angles)
    turn_A = np.deg2rad(angle_A)
    row_AR = np.rint(disc.centre_y - np.sin(turn_A)[:, None] * along_R).astype(int)
    column_AR = np.rint(disc.centre_x + np.cos(turn_A)[:, None] * along_R).astype(int)
    height, width = disc_HW.shape
    inside_AR = (row_AR >= 0) & (row_AR < height) & (column_AR >= 0) & (column_AR < width)
    rim_HW = disc_HW & ~cup_HW
    rim_AR = rim_HW[np.clip(row_AR, 0, height - 1), np.clip(column_AR, 0, width - 1)] & inside_AR
    return RimProfile(angle_A, rim_AR.sum(1, dtype=np.float64) * STEP_PX)


def quadrant_names(eye: str) -> tuple[str, str, str, str]:
    """What lies to the right, up, left and down in the photograph of a "right" or "left" eye; of others, picture words.

    An upright photograph is assumed.
    """
    sides = {"right": ("nasal", "temporal"), "left": ("temporal", "nasal")}
    right, left = sides.get(eye, ("picture_right", "picture_left"))
    return right, "superior", left, "inferior"


def quadrants(profile: RimProfile, *, eye: str) -> dict[str, float]:
    """Mean width in pixels of the four quadrants of 90 degrees, named by `quadrant_names`.

    A ray between two counts half in either, so that mirrored eyes have the same widths.
    """
    means = {}
    for middle, name in zip((0, 90, 180, 270), quadrant_names(eye), strict=True):
        away_A = np.abs((profile.angle_A - middle + 180) % 360 - 180)
        weight_A = np.where(away_A < 45, 1.0, np.where(away_A > 45, 0.0, 0.5))
        means[name] = float(np.average(profile.width_A, weights=weight_A))
    return means
