"""Images with label maps, and perhaps species and head, that somebody has saved, as lists to train and validate on."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from scripts.head_box import check_box
from scripts.layout import BACKGROUND, GRADE_TASKS, MASK_TASK, PET
from shared.data.photograph import photograph_size
from shared.errors import DataError
from shared.label.labelled import Labelled, divide, read_label_map, read_labelled, split_label_map
from shared.tasks import MISSING_GRADE, Task, TaskList, parse_tasks

Item = dict[str, Any]


def make_datalist(
    labels_file: str | Path,
    *,
    tasks: Iterable[Mapping[str, Any] | Task],
    output_dir: str | Path,
    border: str,
    validation_fraction: float = 0.2,
    split_seed: int = 0,
) -> dict[str, list[Item]]:
    """Make the lists ``training`` and ``validation``, and an empty ``test``; items as of `scripts.datalist`.

    Species, breed and head are optional: ``{"grades": {"species": 1}, "head_box": [left, top, right, bottom]}``, the
    box in pixels, in what was saved with a label.

    Args:
        labels_file: see `shared.label.labelled`.
        output_dir: the trimaps go below it.
        border: of trimaps; these have none.

    Raises:
        DataError: fewer than two label maps, one that cannot be read, or a class or box that there cannot be.
    """
    task_list = parse_tasks(tasks)
    sides = divide(read_labelled(labels_file), fraction=validation_fraction, seed=split_seed)
    folder = Path(output_dir) / "trimaps"
    parts = [[_item(item, task_list, folder) | {"border": border} for item in side] for side in sides]
    for number, item in enumerate(parts[0] + parts[1]):
        item["group"] = number
    return {"training": parts[0], "validation": parts[1], "test": []}


def _item(item: Labelled, tasks: TaskList, folder: Path) -> Item:
    assert item.label is not None
    pet_HW = split_label_map(read_label_map(item.label), {MASK_TASK: 1})[MASK_TASK]
    folder.mkdir(parents=True, exist_ok=True)
    trimap = folder / f"{item.name}.png"
    Image.fromarray(np.where(pet_HW, PET, BACKGROUND).astype(np.uint8)).save(trimap)
    grades, box = _grades(item), _box(item)
    known = {MASK_TASK: bool(pet_HW.any())} | {task.name: task.name in grades for task in tasks.grades}
    return {
        "image": str(item.image),
        "name": item.name,
        "mask_paths": [str(trimap) for _ in tasks.masks],
        "mask_place": tasks.index(MASK_TASK) if tasks.masks else -1,
        "labelled": [known.get(task.name, bool(box)) for task in tasks],
        "grades": [grades.get(task.name, MISSING_GRADE) for task in tasks.grades],
        "head_box": box,
    }


def _grades(item: Labelled) -> dict[str, int]:
    grades = dict(item.info.get("grades") or {})
    for kind, number in grades.items():
        if kind not in GRADE_TASKS or number not in range(GRADE_TASKS[kind]):
            known = ", ".join(f"{name} 0 to {count - 1}" for name, count in GRADE_TASKS.items())
            raise DataError(
                f"{item.name} was saved with the class {kind} {number!r}", expected=known, fix="save its label again"
            )
    return grades


def _box(item: Labelled) -> list[float]:
    given = item.info.get("head_box") or []
    if not given:
        return []
    if len(given) != 4:
        raise DataError(
            f"{item.name} was saved with the head {given!r}",
            expected="left, top, right, bottom in pixels",
            fix="save its label again",
        )
    left, top, right, bottom = (float(value) for value in given)
    size = photograph_size(item.image, upright=False)
    check_box((left, top, right, bottom), size=size, path=f"what was saved with {item.name}")
    return [left, top, right, bottom]
