"""Volumes as NIfTI (or MetaImage) files in two folders, images and labels, as nnU-Net has them; nothing opened."""

from __future__ import annotations

import re
from pathlib import Path

from scripts.layout import UNKNOWN_VENDOR, canonical_vendor
from scripts.scan import Found, Problem, Scan, patient_of
from shared.data.volume_header import is_volume_file, volume_stem
from shared.errors import DataError

IMAGES = ("imagesTr", "images")
LABELS = ("labelsTr", "labels")
CHANNEL = "_0000"


def find_nifti(root: Path) -> Found:
    """Volumes in ``imagesTr`` (or ``images``), each with its reference of the same name in ``labelsTr`` (``labels``).

    The channel number _0000 at the end of an image's name is optional. The vendor is in the name or in the folders
    above, such as ``Cirrus_TRAIN001_0000.nii.gz``; ``unknown`` where it is not. Axes are columns, rows, B-scans.
    """
    found = Found([], [], [])
    for folder in sorted(path for name in IMAGES for path in [*root.glob(name), *root.glob(f"*/{name}")]):
        files = sorted(path for path in folder.iterdir() if path.is_file() and is_volume_file(path))
        beside = [folder.parent / name for name in LABELS if (folder.parent / name).is_dir()]
        labels = {volume_stem(f): f for place in beside for f in place.iterdir() if is_volume_file(f)}
        for file in files:
            stem = volume_stem(file).removesuffix(CHANNEL)
            vendor = canonical_vendor(stem) or canonical_vendor(str(file.relative_to(root))) or UNKNOWN_VENDOR
            name = re.sub(rf"^{vendor}[-_ ]?", "", stem, flags=re.IGNORECASE) or stem
            found.scans.append(Scan(vendor, patient_of(name), f"{vendor}/{name}", file, labels.pop(stem, None)))
        for stem, file in sorted(labels.items()):
            error = DataError(
                f"the reference {file} has no image {stem}{CHANNEL} or {stem} in {folder}",
                expected="an image for every reference",
                fix="add the image, or take the reference away",
            )
            found.problems.append(Problem("reference without scan", file.relative_to(root).as_posix(), error))
    return found
