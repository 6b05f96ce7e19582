"""Volumes of any known layout, opened: items of a data list."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

from scripts.layout import LAYOUTS
from scripts.nifti import find_nifti
from scripts.nominal import is_nominal
from scripts.repackaged import find_repackaged
from scripts.retouch import find_retouch
from scripts.scan import Found, Problem, Scan
from shared.data.bscan_pictures import bscan_number, missing_numbers
from shared.data.volume_file import VolumeFile
from shared.errors import DataError
from shared.transforms.bscan import other_size

logger = logging.getLogger(__name__)

Item = dict[str, Any]


def find_scans(dataset_dir: str | Path) -> Found:
    """Volumes of the first layout that fits: as published, NIfTI, pictures.

    Raises:
        DataError: no folder, or nothing in it that fits any layout.
    """
    root = Path(dataset_dir)
    if not root.is_dir():
        raise DataError(
            f"{root} is no folder",
            expected=f"a folder with OCT volumes in one of these layouts:{LAYOUTS}",
            fix='correct --dataset_dir, or use "phantoms"',
        )
    for find in (find_retouch, find_nifti, find_repackaged):
        found = find(root)
        if found.scans or found.problems:
            _refuse_twice(found)
            return found
    raise DataError(
        f"{root} holds no OCT volumes in a layout that is known",
        expected=f"one of these layouts:{LAYOUTS}",
        fix="correct --dataset_dir; for volumes of other names make folders like these",
    )


def read_volumes(dataset_dir: str | Path) -> list[Item]:
    """Find and open all volumes.

    Raises:
        DataError: the first thing that is wrong (`python -m shared doctor` lists everything).
    """
    found = find_scans(dataset_dir)
    for note in found.notes:
        logger.info("RETOUCH: %s", note)
    if found.problems:
        raise found.problems[0].error
    return [describe(scan) for scan in found.scans]


def describe(scan: Scan) -> Item:
    """Open the headers of a volume and its reference.

    Returns:
        ``name``, ``vendor``, ``patient``, ``group`` (the patient again, for splits), ``image``, ``label`` ("" without),
        ``num_slices``, ``size`` [H, W], ``spacing`` [z, y, x] and ``physical``: whether that is in mm.

    Raises:
        DataError: files that cannot be read, or a reference of another size.
    """
    volume = VolumeFile(scan.image, allow_gaps=scan.gaps)
    if scan.label is not None:
        reference = VolumeFile(scan.label, label=True, allow_gaps=scan.gaps)
        if reference.geometry.size_NHW != volume.geometry.size_NHW:
            raise other_size(scan.label, reference.geometry.size_NHW, scan.image, volume.geometry.size_NHW)
    if scan.gaps:
        _say_gaps(scan, volume)
    return {
        "name": scan.name,
        "vendor": scan.vendor,
        "patient": scan.patient,
        "group": scan.patient,
        "image": str(scan.image),
        "label": str(scan.label) if scan.label else "",
        "num_slices": volume.num_slices,
        "size": list(volume.size),
        "spacing": list(volume.spacing),
        "physical": volume.physical and not is_nominal(scan.image),
    }


def gaps_of(volume: VolumeFile) -> list[int]:
    """Numbers that lack among a volume's pictures."""
    numbers = [number for file in volume.pictures if (number := bscan_number(file)) is not None]
    return missing_numbers(sorted(numbers)) if numbers else []


def _say_gaps(scan: Scan, volume: VolumeFile) -> None:
    if gaps := gaps_of(volume):
        logger.warning(
            "RETOUCH: %s lacks %d B-scans (%s ...): neighbours are those that are there",
            scan.name,
            len(gaps),
            ", ".join(map(str, gaps[:3])),
        )


def _refuse_twice(found: Found) -> None:
    names: set[str] = set()
    for scan in found.scans:
        if scan.name in names:
            error = DataError(
                f"{scan.name} is there twice, once as {scan.image}",
                expected="every volume once",
                fix="remove one of them, or give it another name",
            )
            found.problems.append(Problem("volume given twice", scan.name, error))
        names.add(scan.name)
