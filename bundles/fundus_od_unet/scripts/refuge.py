"""REFUGE (Orlando et al. 2020): 1200 photographs in three sets, one map of cup, rim and background each."""

from __future__ import annotations

import re
from pathlib import Path

from scripts.entry import CUP, DISC, Entry, Found, Mask, folder_like, pair, pictures

MAPS = "Disc_Cup_Masks"
LAYOUT = (
    "Training400/{Glaucoma,Non-Glaucoma}/g0001.jpg ..., .../Disc_Cup_Masks/{Glaucoma,Non-Glaucoma}/g0001.bmp; likewise "
    "V0001 (validation) and T0001 (test)"
)
PHOTOGRAPH = re.compile(r"[gnVT]\d{4}", re.IGNORECASE)
SUBSETS = {"g": "train", "n": "train", "v": "validation", "t": "test"}
DIAGNOSES = {"g": "glaucoma", "n": "non-glaucoma"}


def recognises(root: Path) -> bool:
    """Whether the folder has this layout."""
    return folder_like(root, MAPS) is not None


def find(root: Path) -> Found:
    """Photographs of all sets; the numbers do not say whose eyes they are. Every map holds disc and cup."""
    photographs: list[Entry] = []
    masks: list[Mask] = []
    for path in pictures(root):
        if MAPS.lower() in (part.lower() for part in path.relative_to(root).parts[:-1]):
            masks += [Mask(path.stem, "consensus", kind, path) for kind in (DISC, CUP)]
        elif PHOTOGRAPH.fullmatch(path.stem):
            first = path.stem[0].lower()
            photographs.append(
                Entry(
                    name=path.stem,
                    image=path,
                    masks={},
                    rule="refuge",
                    person=path.stem,
                    diagnosis=DIAGNOSES.get(first, ""),
                    subset=SUBSETS[first],
                )
            )
    return pair(photographs, masks)
