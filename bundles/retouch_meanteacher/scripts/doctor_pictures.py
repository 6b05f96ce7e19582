"""B-scans for the contact sheet, with their labels in colour."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from scripts.layout import CLASSES
from shared.doctor import Picture
from shared.draw.overlay import paint_masks

if TYPE_CHECKING:
    from scripts.doctor_headers import Opened


def picture_of(opened: Opened, place: int | None = None) -> Picture:
    """One B-scan (default: the middle one) with its label, read when the sheet is drawn."""
    scan, volume, reference = opened
    number = volume.num_slices // 2 if place is None else place
    masks = dict.fromkeys(CLASSES, scan.label or Path()) if reference is not None else {}

    def draw() -> NDArray[np.uint8]:
        with volume:
            grey_HW = np.rint(volume.intensities(number, number + 1)[0] * 255).astype(np.uint8)
        photo_HW3 = np.repeat(grey_HW[..., None], 3, axis=2)
        if reference is None:
            return photo_HW3
        with reference:
            label_HW = reference.read(number, number + 1)[0]
        return paint_masks(photo_HW3, {name: label_HW == value for value, name in enumerate(CLASSES, start=1)})

    return Picture(scan.image, masks, draw)
