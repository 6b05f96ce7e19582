"""The data lists of Oxford-IIIT Pet: training, validation and test, seeded and stratified or official."""

from __future__ import annotations

import logging
import zlib
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from scripts.layout import BOX_TASK, GRADE_TASKS, MASK_TASK
from scripts.pets import Entry, read_pets
from scripts.trimap import check_border
from shared.data.splits import split_groups
from shared.errors import ConfigError, DataError
from shared.tasks import GRADE, MASK, MISSING_GRADE, Task, TaskList, parse_tasks

logger = logging.getLogger(__name__)

PROTOCOLS = ("seeded", "official")
Item = dict[str, Any]


def make_datalist(
    dataset_dir: str | Path,
    *,
    tasks: Iterable[Mapping[str, Any] | Task],
    protocol: str = "seeded",
    fractions: Sequence[float] = (0.8, 0.1, 0.1),
    split_seed: int = 0,
    border: str = "pet",
    allow_missing: bool = False,
) -> dict[str, list[Item]]:
    """Make the data lists ``training``, ``validation`` and ``test``.

    An item has ``image``, ``name``, ``mask_paths`` (the trimap) and ``mask_place`` (its place on axis T), ``labelled``
    [T], ``grades`` [G], ``head_box`` (pixels: left, top, right, bottom; empty where there is none), ``border`` and
    ``group``: files with the same content are one group, and stay on one side. An image without a label for any of the
    tasks is in no list.

    Args:
        tasks: the mask ``pet``, the grades ``species`` (2) and ``breed`` (37), and the box ``box``; any of them.
        protocol: ``"seeded"`` divides all images by ``fractions``, every breed alike. ``"official"`` keeps test.txt for
            the test and divides trainval.txt by the first two fractions.
        fractions: of training, validation and test, with sum 1.
        split_seed: which images.
        border: see `scripts.trimap.pet_mask`.
        allow_missing: see `read_pets`.

    Raises:
        DataError: see `read_pets`; or the official split is asked for where trainval.txt is absent.
        ConfigError: for tasks that there are not, or another ``protocol``, ``border`` or ``fractions``.
    """
    task_list = parse_tasks(tasks)
    _check_keys(task_list, protocol=protocol, fractions=fractions)
    check_border(border)
    found = read_pets(dataset_dir, allow_missing=allow_missing)
    for message in [*(f"absent: {name}" for name in found.absent), *found.problems]:
        logger.warning("pets: %s", message)
    groups = group_copies([entry.image for entry in found.entries])
    entries, sides = found.entries, _sides(found.entries, groups, protocol, fractions, split_seed)
    lists: dict[str, list[Item]] = {"training": [], "validation": [], "test": []}
    for entry, group, side in zip(entries, groups, sides, strict=True):
        item = _item(entry, group, task_list, border)
        if side and any(item["labelled"]):
            lists[side].append(item)
    for part, items in lists.items():
        boxes = sum(bool(item["head_box"]) for item in items)
        logger.info("pets: %s has %d images, %d with a head box; border is %s", part, len(items), boxes, border)
    return lists


def group_copies(paths: Sequence[Path]) -> list[int]:
    """The group of every file: the same number means the same bytes (only files of equal size are read)."""
    by_size: dict[int, list[int]] = defaultdict(list)
    for place, path in enumerate(paths):
        by_size[path.stat().st_size].append(place)
    groups = list(range(len(paths)))
    for places in by_size.values():
        first_with: dict[int, int] = {}
        for place in places if len(places) > 1 else []:
            groups[place] = first_with.setdefault(zlib.crc32(paths[place].read_bytes()), place)
    return groups


def _sides(
    entries: Sequence[Entry], groups: Sequence[int], protocol: str, fractions: Sequence[float], seed: int
) -> list[str]:
    """The list of every entry; empty: none."""
    sides = [""] * len(entries)
    if protocol == "seeded":
        rest, test = _divide(range(len(entries)), entries, groups, fraction=fractions[2], seed=seed)
    else:
        rest = [place for place, entry in enumerate(entries) if entry.subset == "trainval"]
        test = [place for place, entry in enumerate(entries) if entry.subset == "test"]
        if not rest:
            raise DataError(
                "trainval.txt is absent or names no image",
                expected="the official lists trainval.txt and test.txt in `annotations`",
                fix="restore them, or set `protocol` to seeded",
            )
    held_out = fractions[1] / (fractions[0] + fractions[1])
    training, validation = _divide(rest, entries, groups, fraction=held_out, seed=seed)
    for name, places in (("training", training), ("validation", validation), ("test", test)):
        for place in places:
            sides[place] = name
    return sides


def _divide(
    places: Iterable[int], entries: Sequence[Entry], groups: Sequence[int], *, fraction: float, seed: int
) -> tuple[list[int], list[int]]:
    places = list(places)
    strata = [entries[place].breed for place in places]
    split = split_groups([groups[place] for place in places], fraction=fraction, seed=seed, strata=strata)
    return [places[place] for place in split.training], [places[place] for place in split.validation]


def _item(entry: Entry, group: int, tasks: TaskList, border: str) -> Item:
    known = {"species": entry.species, "breed": entry.breed}
    return {
        "image": str(entry.image),
        "name": entry.name,
        "mask_paths": [str(entry.trimap) for _ in tasks.masks],
        "mask_place": tasks.index(MASK_TASK) if tasks.masks else -1,
        "labelled": [
            bool(entry.box) if task in tasks.boxes else known.get(task.name) != MISSING_GRADE for task in tasks
        ],
        "grades": [known[task.name] for task in tasks.grades],
        "head_box": list(entry.box) if entry.box else [],
        "border": border,
        "group": group,
    }


def _check_keys(tasks: TaskList, *, protocol: str, fractions: Sequence[float]) -> None:
    if protocol not in PROTOCOLS:
        raise ConfigError(
            f"protocol {protocol!r}", expected=f"one of {', '.join(PROTOCOLS)}", fix="correct the key `protocol`"
        )
    if len(fractions) != 3 or min(fractions) < 0 or not all(fractions[:2]) or abs(sum(fractions) - 1) > 1e-6:
        raise ConfigError(
            f"fractions {list(fractions)}",
            expected="three numbers, training and validation (more than 0) and test, with sum 1",
            fix="correct the key `fractions`",
        )
    for task in tasks:
        alone = MASK_TASK if task.kind == MASK else BOX_TASK
        sound = GRADE_TASKS.get(task.name) == task.num_classes if task.kind == GRADE else task.name == alone
        if not sound:
            raise ConfigError(
                f"there is no {task.kind} task {task.name!r} with {task.num_classes} classes",
                expected=f"the mask {MASK_TASK}; the box {BOX_TASK}; the grades "
                f"{', '.join(f'{name} ({n})' for name, n in GRADE_TASKS.items())}",
                fix="correct the key `tasks`",
            )
