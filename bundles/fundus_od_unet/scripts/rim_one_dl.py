"""RIM-ONE DL (Fumero et al. 2020): 485 pictures cut out around the disc, with one segmentation each."""

from __future__ import annotations

import re
from pathlib import Path

from scripts.entry import CUP, DISC, Entry, Found, Mask, folder_like, pair, pictures
from scripts.masks import CROP

IMAGES, SEGMENTATIONS = "RIM-ONE_DL_images", "RIM-ONE_DL_reference_segmentations"
PARTITIONS = ("partitioned_randomly", "partitioned_by_hospital")
LAYOUT = (
    "RIM-ONE_DL_images/partitioned_{randomly,by_hospital}/{training,test}_set/{normal,glaucoma}/r1_Im001.png ... and "
    "RIM-ONE_DL_reference_segmentations/{normal,glaucoma}/r1_Im001-1-{Disc,Cup}-T.png"
)
MASK = re.compile(r"(.+?)(?:-\d+)?-(Disc|Cup)-T", re.IGNORECASE)
PERSON = re.compile(r"(r3_[NGS][-_]\d+)[-_]([LR])", re.IGNORECASE)
KINDS = {"disc": DISC, "cup": CUP}


def recognises(root: Path) -> bool:
    """Whether the folder has this layout."""
    return folder_like(root, IMAGES) is not None


def find(root: Path) -> Found:
    """Pictures of one partition (both hold the same ones), by random draw where it is there."""
    images = folder_like(root, IMAGES)
    segmentations = folder_like(root, SEGMENTATIONS)
    photographs: list[Entry] = []
    if images is not None:
        partition = next((images / name for name in PARTITIONS if (images / name).is_dir()), images)
        for path in pictures(partition):
            parts = [part.lower() for part in path.relative_to(partition).parts[:-1]]
            person = PERSON.fullmatch(path.stem)
            photographs.append(
                Entry(
                    name=path.stem,
                    image=path,
                    masks={},
                    rule=CROP,
                    person=person[1] if person else path.stem,
                    laterality={"l": "left", "r": "right"}[person[2].lower()] if person else "",
                    diagnosis=next((part for part in parts if part in ("normal", "glaucoma")), ""),
                    subset="train" if "training_set" in parts else "test" if "test_set" in parts else "",
                )
            )
    masks = []
    for path in pictures(segmentations) if segmentations is not None else ():
        if match := MASK.fullmatch(path.stem):
            masks.append(Mask(match[1], "consensus", KINDS[match[2].lower()], path))
    return pair(photographs, masks)
