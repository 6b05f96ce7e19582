"""IDRiD part A (Porwal et al. 2018): 81 photographs with masks of the disc; its other masks are left alone."""

from __future__ import annotations

import re
from pathlib import Path

from scripts.entry import DISC, Entry, Found, Mask, folder_like, pair, pictures

PART = r"A\. Segmentation"
LAYOUT = (
    "A. Segmentation/1. Original Images/{a. Training Set,b. Testing Set}/IDRiD_01.jpg ... and "
    "2. All Segmentation Groundtruths/{a. ...,b. ...}/5. Optic Disc/IDRiD_01_OD.tif"
)
PHOTOGRAPH = re.compile(r"IDRiD_\d+", re.IGNORECASE)
MASK = re.compile(r"(IDRiD_\d+)_OD", re.IGNORECASE)


def recognises(root: Path) -> bool:
    """Whether the folder has this layout."""
    return folder_like(root, PART) is not None


def find(root: Path) -> Found:
    """Photographs of both sets; the numbers do not say whose eyes they are."""
    part = folder_like(root, PART)
    photographs: list[Entry] = []
    masks: list[Mask] = []
    for path in pictures(part) if part is not None else ():
        if match := MASK.fullmatch(path.stem):
            masks.append(Mask(match[1], "consensus", DISC, path))
        elif PHOTOGRAPH.fullmatch(path.stem):
            folders = [folder.lower() for folder in path.relative_to(root).parts]
            subset = "test" if any(folder.startswith("b. test") for folder in folders) else "train"
            photographs.append(Entry(path.stem, path, {}, "binary", path.stem, subset=subset))
    return pair(photographs, masks)
