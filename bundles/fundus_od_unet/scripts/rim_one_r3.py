"""RIM-ONE r3 (Fumero et al. 2015): 159 stereo photographs, two experts and their average."""

from __future__ import annotations

import re
from pathlib import Path

from scripts.entry import CUP, DISC, Entry, Found, Mask, folder_like, pair, pictures

STEREO = "Stereo Images"
GROUPS = ("Healthy", "Glaucoma and suspects")
READERS = {
    "Expert1_masks": ("expert1", "exp1"),
    "Expert2_masks": ("expert2", "exp2"),
    "Average_masks": ("average", "Avg"),
}
LAYOUT = (
    "{Healthy,Glaucoma and suspects}/Stereo Images/N-1-L.jpg ... with {Expert1,Expert2,Average}_masks/"
    "N-1-L-{Disc,Cup}-{exp1,exp2,Avg}.png beside them"
)
PHOTOGRAPH = re.compile(r"([NGS])-(\d+)-([LR])", re.IGNORECASE)
MASK = re.compile(r"([NGS]-\d+-[LR])-(Disc|Cup)-(exp1|exp2|Avg|T)", re.IGNORECASE)
DIAGNOSES = {"N": "healthy", "G": "glaucoma", "S": "suspect"}
KINDS = {"disc": DISC, "cup": CUP}


def recognises(root: Path) -> bool:
    """Whether the folder has this layout."""
    return folder_like(root, STEREO) is not None


def find(root: Path) -> Found:
    """Photographs with masks by ``expert1``, ``expert2`` and ``average``; person and side are in the name."""
    readers = {ending.lower(): reader for reader, ending in READERS.values()} | {"t": "average"}
    photographs: list[Entry] = []
    masks: list[Mask] = []
    for path in pictures(root):
        if match := MASK.fullmatch(path.stem):
            masks.append(Mask(match[1].upper(), readers[match[3].lower()], KINDS[match[2].lower()], path))
        elif match := PHOTOGRAPH.fullmatch(path.stem):
            group, number, side = (part.upper() for part in match.groups())
            name = f"{group}-{number}-{side}"
            photographs.append(
                Entry(
                    name=name,
                    image=path,
                    masks={},
                    rule="binary",
                    person=f"{group}-{number}",
                    laterality="left" if side == "L" else "right",
                    diagnosis=DIAGNOSES[group],
                    stereo=True,
                )
            )
    return pair(photographs, masks)
