"""Drishti-GS1 (Sivaswamy et al. 2014): 101 photographs; soft maps of four experts, three of whom decide."""

from __future__ import annotations

import re
from pathlib import Path

from scripts.entry import CUP, DISC, Entry, Found, Mask, pair, pictures

LAYOUT = (
    "{Training,Test}/Images/{GLAUCOMA,NORMAL}/drishtiGS_002.png ... and {Training/GT,Test/Test_GT}/drishtiGS_002/"
    "SoftMap/drishtiGS_002_{ODsegSoftmap,cupsegSoftmap}.png"
)
PHOTOGRAPH = re.compile(r"drishtiGS_\d+", re.IGNORECASE)
MASK = re.compile(r"(drishtiGS_\d+)_(OD|cup)segSoftmap", re.IGNORECASE)
KINDS = {"od": DISC, "cup": CUP}


def recognises(root: Path) -> bool:
    """Whether the folder has this layout."""
    return any(PHOTOGRAPH.fullmatch(path.stem) for path in pictures(root))


def find(root: Path) -> Found:
    """Photographs of both sets; the numbers do not say whose eyes they are."""
    photographs: list[Entry] = []
    masks: list[Mask] = []
    for path in pictures(root):
        if match := MASK.fullmatch(path.stem):
            masks.append(Mask(match[1], "consensus", KINDS[match[2].lower()], path))
        elif PHOTOGRAPH.fullmatch(path.stem):
            folders = [part.lower() for part in path.relative_to(root).parts[:-1]]
            photographs.append(
                Entry(
                    name=path.stem,
                    image=path,
                    masks={},
                    rule="soft",
                    person=path.stem,
                    diagnosis=next((folder for folder in folders if folder in ("glaucoma", "normal")), ""),
                    subset="train" if "training" in folders else "test" if "test" in folders else "",
                )
            )
    return pair(photographs, masks)
