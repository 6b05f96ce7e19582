"""A box drawn on a photograph."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from shared.draw.look import Photograph, rgb

TRUE, FOUND = "#35d435", "#ffe119"
DASH = 3


def paint_box(
    photo_HW3: Photograph,
    box_4: npt.ArrayLike | None,
    *,
    colour: str,
    dashed: bool = False,
    thickness: int | None = None,
) -> Photograph:
    """A copy with the outline of a box, inside its edges.

    Args:
        photo_HW3: RGB.
        box_4: left, top, right, bottom in pixels of this picture; None: nothing is drawn.
        colour: ``#rrggbb``.
        dashed: every other stretch is left out, so that two boxes on one another are both seen.
        thickness: of the outline in pixels; by default a 200th of the longer side, at least 2.
    """
    painted = photo_HW3.copy()
    if box_4 is None:
        return painted
    height, width = painted.shape[:2]
    line = thickness or max(2, round(max(height, width) / 200))
    left, top, right, bottom = (round(float(edge)) for edge in np.asarray(box_4))
    left, right = (int(np.clip(edge, 0, width)) for edge in (left, right))
    top, bottom = (int(np.clip(edge, 0, height)) for edge in (top, bottom))
    if left >= right or top >= bottom:
        return painted
    outline = np.zeros((height, width), bool)
    outline[top:bottom, left:right] = True
    outline[top + line : bottom - line, left + line : right - line] = False
    if dashed:
        rows, columns = np.indices((height, width), sparse=True)
        outline &= ((rows + columns) // (DASH * line)) % 2 == 0
    painted[outline] = rgb(colour)
    return painted
