"""Data doctor for OCT volumes: everything that is wrong with a data set, instead of the first thing (`volumes.py`).

What the reader or training would refuse is an error. What they take, but may teach something false, is a warning. What
is only worth knowing is a note.
"""

from __future__ import annotations

import logging
from pathlib import Path

from scripts.datalist import read_unlabelled
from scripts.doctor_headers import check_headers
from scripts.doctor_tables import add_samples, add_tables
from scripts.doctor_voxels import check_bscans_twice, check_voxels
from scripts.layout import CLASSES
from scripts.volumes import find_scans
from shared.doctor import ERROR, NOTE, WARNING, Diagnosis, ask_the_reader, begin
from shared.doctor.training import stop_at_errors

logger = logging.getLogger(__name__)

NUM_CLASSES = len(CLASSES) + 1


def examine(
    dataset_dir: str | Path,
    *,
    quick: bool = False,
    cache_dir: str | Path | None = None,
    num_classes: int = NUM_CLASSES,
) -> Diagnosis:
    """Look at everything, stop at nothing, write nothing into ``dataset_dir``.

    Args:
        quick: names, headers and sizes only (a second or two for the full set).
        cache_dir: not used here; every bundle's doctor is given one.
        num_classes: labels from 0 to one less are sound.
    """
    root = Path(dataset_dir)
    diagnosis = begin(root, quick=quick, drawn="volumes")
    found = ask_the_reader(lambda: find_scans(root), diagnosis)
    if found is None:
        return diagnosis
    for problem in found.problems:
        diagnosis.add(ERROR, problem.kind, problem.error.received, problem.subject, fix=problem.error.fix)
    for note in found.notes:
        diagnosis.add(WARNING if "holds no" in note else NOTE, "not read", note)
    opened = check_headers(found.scans, diagnosis)
    if quick:
        add_tables(opened, diagnosis)
        return diagnosis
    looks = check_voxels(opened, diagnosis, num_classes=num_classes)
    check_bscans_twice(looks, diagnosis)
    add_tables(opened, diagnosis, looks=looks)
    add_samples(opened, looks, diagnosis)
    return diagnosis


def check_before_training(dataset_dir: str | Path, *, unlabelled_dir: str | Path = "") -> None:
    """The quick part of `examine`: warnings are logged, a line for each kind, and errors raised.

    Args:
        unlabelled_dir: as for `make_datalist`; it is examined too.

    Raises:
        DataError: with the first errors, and the command that lists them all.
    """
    _check(dataset_dir)
    if str(unlabelled_dir):
        read_unlabelled(dataset_dir, unlabelled_dir)
        _check(Path(unlabelled_dir).expanduser())


def _check(dataset_dir: str | Path) -> None:
    stop_at_errors(
        examine(dataset_dir, quick=True),
        dataset_dir=dataset_dir,
        bundle_root=Path(__file__).resolve().parents[1],
        read=lambda: find_scans(dataset_dir),
    )
