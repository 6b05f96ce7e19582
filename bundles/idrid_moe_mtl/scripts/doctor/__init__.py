"""Data doctor for IDRiD: everything that is wrong with a data set, instead of the first thing (`idrid.py`).

What the reader, the loader or training would refuse is an error. What they take, but may teach something false, is a
warning. What is only worth knowing is a note.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from scripts.doctor.files import Survey, survey_files
from scripts.doctor.headers import check_headers
from scripts.doctor.labels import check_labels
from scripts.doctor.pixels import check_pixels
from scripts.doctor.tables import check_centres, check_grades
from scripts.doctor.tallies import add_samples, add_tables
from scripts.doctor.twins import check_twins, same_eyes
from scripts.idrid import read_idrid
from shared.data.duplicates import identical_files
from shared.doctor import ERROR, Diagnosis, ask_the_reader, begin
from shared.doctor.training import stop_at_errors
from shared.tasks import Task, TaskList, parse_tasks

logger = logging.getLogger(__name__)


def examine(
    dataset_dir: str | Path,
    *,
    quick: bool = False,
    allow_missing: bool = False,
    cache_dir: str | Path | None = None,
    num_workers: int = 2,
) -> Diagnosis:
    """Look at everything, stop at nothing, write nothing into ``dataset_dir``.

    Args:
        quick: names, tables, headers and sizes only (a second or two for the full set); photographs that are in the
            set twice are then found only where their files are the same byte for byte.
        allow_missing: labels without photograph and photographs without grade are warnings (see `read_idrid`).
        cache_dir: as for `make_datalist`.
        num_workers: threads that decode.
    """
    root = Path(dataset_dir)
    diagnosis = begin(root, quick=quick, drawn="photographs")
    survey = ask_the_reader(lambda: survey_files(root, diagnosis, allow_missing=allow_missing), diagnosis)
    if survey is None:
        return diagnosis
    if not survey.entries:
        ask_the_reader(lambda: read_idrid(root, allow_missing=True), diagnosis)
        return diagnosis
    check_grades(survey, diagnosis, allow_missing=allow_missing)
    sizes = check_headers(survey, diagnosis)
    centres = check_centres(survey, sizes, diagnosis)
    if quick:
        check_twins(survey, identical_files([entry.image for entry in survey.entries]), diagnosis)
    else:
        looks = check_pixels(survey, sizes, diagnosis, num_workers=num_workers)
        pairs = same_eyes(survey, looks, diagnosis, cache_dir=cache_dir, num_workers=num_workers)
        check_twins(survey, pairs, diagnosis)
        check_labels(survey, looks, pairs, centres, diagnosis)
        add_samples(survey, diagnosis)
    add_tables(survey, sizes, diagnosis, looks=None if quick else looks)
    if not diagnosis.of(ERROR):
        # What the doctor calls sound, the reader must take.
        ask_the_reader(lambda: read_idrid(root, allow_missing=allow_missing), diagnosis)
    return diagnosis


def check_before_training(
    dataset_dir: str | Path, *, tasks: Iterable[Mapping[str, Any] | Task], allow_missing: bool = False
) -> None:
    """The quick part of `examine`: warnings are logged, a line for each kind, and errors raised.

    Args:
        tasks: what is to be trained; a warning names those without a single labelled training photograph.
        allow_missing: as for `make_datalist`.

    Raises:
        DataError: with the first errors, and the command that lists them all.
    """
    task_list = parse_tasks(tasks)
    diagnosis = examine(dataset_dir, quick=True, allow_missing=allow_missing)
    stop_at_errors(
        diagnosis,
        dataset_dir=dataset_dir,
        bundle_root=Path(__file__).resolve().parents[2],
        read=lambda: read_idrid(dataset_dir, allow_missing=allow_missing),
    )
    for name in unlabelled(survey_files(Path(dataset_dir), Diagnosis("")), task_list):
        logger.warning("data doctor: no training photograph has a label for %s, which will not be learned", name)


def unlabelled(survey: Survey, tasks: TaskList) -> list[str]:
    """Tasks for which the training sets cannot have a label, because the part with such labels is absent."""
    parts = {entry.part for entry in survey.entries if entry.subset == "train"}
    return [task.name for task in tasks if ("A" if task in tasks.masks else "B") not in parts]
