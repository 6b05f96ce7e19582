"""Photographs with label maps and grades that a reader has saved, as lists to train and validate on."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from scripts.idrid import ALWAYS_THERE, GRADE_CLASSES
from shared.errors import DataError
from shared.label.labelled import Labelled, divide, read_labelled, write_masks
from shared.tasks import MISSING_GRADE, Task, TaskList, parse_tasks

Item = dict[str, Any]


def make_datalist(
    labels_file: str | Path,
    *,
    tasks: Iterable[Mapping[str, Any] | Task],
    output_dir: str | Path,
    validation_fraction: float = 0.2,
    split_seed: int = 0,
) -> dict[str, list[Item]]:
    """Make the lists ``training`` and ``validation``, and an empty ``test``; items as of `scripts.datalist`.

    A label map without a pixel of a lesion says that there is none; without one of the optic disc, which every eye
    has, that it was not drawn. Grades are optional: ``{"grades": {"RG": 2, "MER": 0}}`` in what was saved with a label.

    Args:
        labels_file: see `shared.label.labelled`.
        output_dir: the masks go below it.

    Raises:
        DataError: fewer than two label maps, one that cannot be read, or a grade that there is not.
    """
    task_list = parse_tasks(tasks)
    sides = divide(read_labelled(labels_file), fraction=validation_fraction, seed=split_seed)
    folder = Path(output_dir) / "masks"
    parts = [[_item(item, task_list, folder) for item in side] for side in sides]
    for number, item in enumerate(parts[0] + parts[1]):
        item["group"] = number
    return {"training": parts[0], "validation": parts[1], "test": []}


def _item(item: Labelled, tasks: TaskList, folder: Path) -> Item:
    masks = write_masks(item, [task.name for task in tasks.masks], folder)
    grades = _grades(item)
    return {
        "image": str(item.image),
        "name": item.name,
        "mask_paths": [str(masks.get(task.name, "")) for task in tasks.masks],
        "labelled": [
            task.name not in ALWAYS_THERE - masks.keys() if task in tasks.masks else task.name in grades
            for task in tasks
        ],
        "grades": [grades.get(task.name, MISSING_GRADE) for task in tasks.grades],
        "leaks": False,
    }


def _grades(item: Labelled) -> dict[str, int]:
    grades = dict(item.info.get("grades") or {})
    for kind, grade in grades.items():
        if kind not in GRADE_CLASSES or grade not in range(GRADE_CLASSES[kind]):
            known = ", ".join(f"{name} 0 to {count - 1}" for name, count in GRADE_CLASSES.items())
            raise DataError(
                f"{item.name} was saved with the grade {kind} {grade!r}", expected=known, fix="save its label again"
            )
    return grades
