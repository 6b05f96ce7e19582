"""DRIONS-DB (Carmona et al. 2008): 110 photographs with masks of the disc as JPEG files."""

from __future__ import annotations

import re
from pathlib import Path

from scripts.entry import DISC, Entry, Found, Mask, pair, pictures

LAYOUT = "images/image_001.jpg ... and masks/image_001.jpg"
PHOTOGRAPH = re.compile(r"image_\d{3}", re.IGNORECASE)
MASKS = re.compile(r"masks?", re.IGNORECASE)


def recognises(root: Path) -> bool:
    """Whether the folder has this layout and no other photograph: image_001 is what anybody's file may be called."""
    photographs = [path.stem for path in pictures(root) if not _is_mask(root, path)]
    return bool(photographs) and all(PHOTOGRAPH.fullmatch(stem) for stem in photographs)


def find(root: Path) -> Found:
    """Photographs; the numbers do not say whose eyes they are."""
    photographs: list[Entry] = []
    masks: list[Mask] = []
    for path in pictures(root):
        if _is_mask(root, path):
            masks.append(Mask(path.stem.removesuffix("_mask"), "consensus", DISC, path))
        elif PHOTOGRAPH.fullmatch(path.stem):
            photographs.append(Entry(path.stem, path, {}, "jpeg", path.stem))
    return pair(photographs, masks)


def _is_mask(root: Path, path: Path) -> bool:
    return any(MASKS.fullmatch(part) for part in path.relative_to(root).parts[:-1])
