"""RETOUCH's files as published (Bogunovic et al. 2019): found and paired, nothing opened."""

from __future__ import annotations

from pathlib import Path

from scripts.layout import REFERENCE, SCAN, TEST_SET, TRAINING_SET, canonical_vendor
from scripts.scan import Found, Problem, Scan, patient_of
from shared.data.volume_header import VOLUME_SUFFIXES, is_volume_file, volume_stem
from shared.errors import DataError


def find_retouch(root: Path) -> Found:
    """Volumes in ``RETOUCH-TrainingSet-<vendor>/<name>/``, directly below ``root`` or, if there are none, one level
    down (as archives unpack); ``root`` may be such a folder itself. Files are known by their names, in either case.
    """
    found = Found([], [], [])
    for folder in vendor_folders(root):
        vendor = folder.name[len(TRAINING_SET) :]
        vendor = canonical_vendor(vendor) or vendor
        for place in sorted(path for path in folder.iterdir() if path.is_dir() and not path.name.startswith(".")):
            name = f"{vendor}/{place.name}"
            files = sorted(path for path in place.iterdir() if path.is_file() and is_volume_file(path))
            scans, references = ([f for f in files if volume_stem(f).lower() == stem] for stem in (SCAN, REFERENCE))
            if len(scans) == 1 and len(references) <= 1:
                label = references[0] if references else None
                found.scans.append(Scan(vendor, patient_of(place.name), name, scans[0], label))
            elif scans or references:
                found.problems.append(_unpaired(name, place, scans, references))
            elif any(path.is_file() for path in place.iterdir()):
                found.notes.append(f"{place.relative_to(root)} holds no {SCAN}.mhd and is not read")
    tests = sorted(path.name for path in root.glob(f"{TEST_SET}*") if path.is_dir())
    if tests:
        found.notes.append(f"{', '.join(tests)}: official test sets are not trained on (their labels are not public)")
    return found


def vendor_folders(root: Path) -> list[Path]:
    """The folders ``RETOUCH-TrainingSet-...``."""
    if root.name.startswith(TRAINING_SET):
        return [root]
    near = sorted(path for path in root.glob(f"{TRAINING_SET}*") if path.is_dir())
    return near or sorted(path for path in root.glob(f"*/{TRAINING_SET}*") if path.is_dir())


def _unpaired(name: str, place: Path, scans: list[Path], references: list[Path]) -> Problem:
    names = ", ".join(path.name for path in scans + references)
    kind = "reference without scan" if not scans else "volume given twice"
    error = DataError(
        f"{place} holds {names}",
        expected=f"one {SCAN} ({', '.join(VOLUME_SUFFIXES)}) and at most one {REFERENCE}",
        fix=f"add the {SCAN} file, or take the reference away" if not scans else "remove all but one",
    )
    return Problem(kind, name, error)
