"""RETOUCH as 2-D pictures, in the ways in which it is passed on; volumes are put together again by their names.

- A folder for every volume with one for images and one for masks:
  ``Cirrus/train/TRAIN002/{orig,mask}/17.png`` (the layout that DconnNet's README asks for, Yang & Farsiu, CVPR 2023).
- All volumes of a vendor in two folders, volume and B-scan in the name:
  ``RETOUCH-TrainingSet-Topcon/{imgs,fluids}/TRAIN049_17.png``.
- Image and mask beside each other: ``RETOUCH-TrainingSet-Cirrus/TRAIN001/bscan_017_{oct,reference}.png``.

Pictures that cannot be told apart by volume (such as ``cirrus_00017.png``, numbered through) are refused: B-scans of
one volume would be trained and validated on alike.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

from scripts.layout import UNKNOWN_VENDOR, canonical_vendor
from scripts.scan import Found, Problem, Scan, patient_of
from shared.data.bscan_pictures import PICTURE_SUFFIXES, bscan_number, find_bscans
from shared.errors import DataError

IMAGE_WORDS = {"orig", "original", "image", "images", "img", "imgs", "oct", "scan", "scans", "bscan", "bscans"}
LABEL_WORDS = {"mask", "masks", "label", "labels", "fluid", "fluids", "reference", "references", "ref", "gt", "seg"}
EDGE_WORDS = {"edge", "edges", "edge_map", "edge_maps", "edgemap", "edgemaps"}
SHOWN = 3


class Picture(NamedTuple):
    """What it shows ("image", "label", "edge"), of which B-scan of which volume; ``pattern``: all files of that."""

    file: Path
    role: str
    vendor: str
    volume: str
    number: int
    pattern: Path


def find_repackaged(root: Path) -> Found:
    """Volumes among the pictures below ``root``."""
    found = Found([], [], [])
    files = sorted(path for path in root.rglob("*") if path.suffix.lower() in PICTURE_SUFFIXES and path.is_file())
    pictures, lost = [], []
    for file in files:
        picture = describe_picture(file, root)
        if picture is None:
            lost.append(file)
        else:
            pictures.append(picture)
    if edges := [picture for picture in pictures if picture.role == "edge"]:
        found.notes.append(f"{len(edges)} pictures of edges are not read: scans are what a network should see")
    if lost:
        found.problems.append(_unnamed(root, lost, len(files)))
    volumes: dict[str, list[Picture]] = {}
    for picture in pictures:
        if picture.role != "edge":
            volumes.setdefault(f"{picture.vendor}/{picture.volume}", []).append(picture)
    for name, members in sorted(volumes.items()):
        try:
            found.scans.append(_assemble(name, members))
        except DataError as error:
            found.problems.append(Problem("B-scans that make no volume", name, error))
    return found


def describe_picture(file: Path, root: Path) -> Picture | None:
    """What a picture's path says; None where it does not name volume and B-scan."""
    number, stem = bscan_number(file), file.stem
    if number is None:
        return None
    digits = list(re.finditer(r"\d+", stem))[-1]
    before, after = stem[: digits.start()], stem[digits.end() :]
    place = file.parent
    role = _role(after.strip("_-. ")) or _role(place.name) or "image"
    home = place.parent if _role(place.name) and place != root else place
    parts = file.relative_to(root.parent).parts
    vendor = canonical_vendor(stem) or next((v for part in reversed(parts[:-1]) if (v := canonical_vendor(part))), "")
    volume = re.sub(r"[-_ ]*(b-?scan|slice|frame|img|image|oct|z|s)?[-_ ]*$", "", before, flags=re.IGNORECASE)
    volume = re.sub(rf"^({vendor}|spectrailis)[-_ ]?", "", volume, flags=re.IGNORECASE) if vendor else volume
    if not volume:
        volume = home.name if home != root else ""
    if not re.search(r"\d", volume):
        return None
    return Picture(file, role, vendor or UNKNOWN_VENDOR, volume, number, place / f"{before}*{after}{file.suffix}")


def _role(word: str) -> str:
    words = {"image": IMAGE_WORDS, "label": LABEL_WORDS, "edge": EDGE_WORDS}
    return next((role for role, known in words.items() if word.lower() in known), "")


def _assemble(name: str, members: Iterable[Picture]) -> Scan:
    by_role = {role: [picture for picture in members if picture.role == role] for role in ("image", "label")}
    numbers = {role: {picture.number for picture in pictures} for role, pictures in by_role.items()}
    if not by_role["image"]:
        raise DataError(f"{name} has masks but no images", expected="both", fix="add the images")
    paths = {role: _pattern(name, pictures) for role, pictures in by_role.items() if pictures}
    if by_role["label"] and numbers["image"] != numbers["label"]:
        odd = sorted(numbers["image"] ^ numbers["label"])
        raise DataError(
            f"{name} has {len(numbers['image'])} images and {len(numbers['label'])} masks; without the other is "
            f"{', '.join(map(str, odd[:SHOWN]))}{' ...' if len(odd) > SHOWN else ''}",
            expected="a mask (empty where there is no fluid) for every image of a volume, or for none",
            fix="add what is missing, or take all masks of this volume away: it then counts as unlabelled",
        )
    first = by_role["image"][0]
    return Scan(first.vendor, patient_of(first.volume), name, paths["image"], paths.get("label"), gaps=True)


def _pattern(name: str, pictures: list[Picture]) -> Path:
    patterns = sorted({picture.pattern for picture in pictures})
    if len(patterns) > 1:
        shown = ", ".join(map(str, patterns[:SHOWN]))
        raise DataError(
            f"{name} lies in several places or under several names: {shown}",
            expected="all B-scans of a volume in one folder, with equal names but for the number",
            fix="move them together; a volume must not be on both sides of a split",
        )
    if len(find_bscans(patterns[0], allow_gaps=True)) != len(pictures):
        raise DataError(
            f"{patterns[0]} names more pictures than those of {name}",
            expected="names in which only the B-scan's number differs",
            fix="give every volume a folder of its own",
        )
    return patterns[0]


def _unnamed(root: Path, lost: list[Path], count: int) -> Problem:
    shown = ", ".join(str(path.relative_to(root)) for path in lost[:SHOWN])
    error = DataError(
        f"{len(lost)} of {count} pictures below {root} do not say of which volume they are, such as {shown}",
        expected="names such as TRAIN001_017.png, or a folder for every volume, such as TRAIN001/images/017.png",
        fix="use a copy that keeps volumes apart: their B-scans must not be on both sides of a split",
    )
    return Problem("B-scan of no known volume", lost[0].relative_to(root).as_posix(), error)
