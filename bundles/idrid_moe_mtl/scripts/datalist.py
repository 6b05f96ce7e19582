"""IDRiD as lists of items to train, validate and test on, with both parts' labels pooled and leaks closed.

The two parts show many of the same photographs under other numbers, some of them on either side of the official
split (60 of part A's 81). They are found by content.
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from scripts.idrid import GRADE_CLASSES, MASK_FOLDERS, Entry, read_idrid
from shared.data.duplicates import COPY, Duplicate, find_same_eyes, group_duplicates
from shared.data.splits import split_groups
from shared.errors import ConfigError, DataError
from shared.tasks import MISSING_GRADE, Task, TaskList, parse_tasks

logger = logging.getLogger(__name__)

SPLITS = ("leakage_free", "official")
FINGERPRINTS = "fingerprints.npz"
Item = dict[str, Any]


class Twins(NamedTuple):
    """``groups``: the eye of every entry. ``copies``: for every entry the entries that are the very same photograph."""

    groups: list[int]
    copies: list[list[int]]


def make_datalist(
    dataset_dir: str | Path,
    *,
    tasks: Iterable[Mapping[str, Any] | Task],
    split: str = "leakage_free",
    validation_fraction: float = 0.2,
    seed: int = 0,
    cache_dir: str | Path | None = None,
    allow_missing: bool = False,
) -> dict[str, list[Item]]:
    """Make the data lists ``training``, ``validation`` and ``test`` (empty where the data set has no test set).

    Part A's photographs are labelled for all mask tasks (no file: no lesion), and for grade tasks where they are also
    in part B of the same or of an already test set. Part B's are labelled for the grade tasks. Validation is held out
    of the training sets by eye, balanced by part and retinopathy grade. Photographs without any label for ``tasks``
    are left out.

    Args:
        split: ``"leakage_free"`` drops training photographs of eyes that are in a test set. ``"official"`` keeps them.
            Either way test items with an eye in the official training sets carry ``leaks``.
        cache_dir: folder that remembers the comparison of photographs, by file; without, it is made anew (about 20 s).
        allow_missing: see `read_idrid`.

    Raises:
        DataError: see `read_idrid`; or if nothing is left for ``tasks``.
        ConfigError: for tasks that IDRiD does not have, or another ``split``.
    """
    task_list = parse_tasks(tasks)
    _check_keys(task_list, split)
    found = read_idrid(dataset_dir, allow_missing=allow_missing)
    for message in [*(f"absent: {what}" for what in found.absent), *found.problems]:
        logger.warning("IDRiD: %s", message)
    entries = found.entries
    twins = find_twins(entries, cache_dir=cache_dir)
    _report_conflicts(entries, twins)
    items = [_item(i, entries, twins, task_list) for i in range(len(entries))]
    eyes: dict[str, set[int]] = {"train": set(), "test": set()}
    for entry, group in zip(entries, twins.groups, strict=True):
        eyes[entry.subset].add(group)
    kept: list[Item] = []
    dropped: list[str] = []
    for entry, item in zip(entries, items, strict=True):
        item["leaks"] = entry.subset == "test" and item["group"] in eyes["train"]
        if not any(item["labelled"]):
            continue
        if entry.subset == "train" and item["group"] in eyes["test"]:
            dropped.append(item["name"])
            if split == "leakage_free":
                continue
        kept.append(item)
    _report_leaks(split, dropped)
    training = [item for item in kept if "/train/" in item["name"]]
    if not training and not kept:
        raise DataError(
            f"{dataset_dir} has no photograph labelled for {', '.join(task_list.names)} (absent: {found.absent})",
            expected="part A for mask tasks, part B for grade tasks",
            fix="add the part that is missing, or take its tasks out of `tasks`",
        )
    strata = [(item["name"][0], *item["grades"][:1]) for item in training]
    sides = split_groups([item["group"] for item in training], fraction=validation_fraction, seed=seed, strata=strata)
    lists = {
        "training": [training[i] for i in sides.training],
        "validation": [training[i] for i in sides.validation],
        "test": [item for item in kept if "/test/" in item["name"]],
    }
    _report_counts(lists, task_list)
    return lists


def find_twins(entries: Sequence[Entry], *, cache_dir: str | Path | None = None) -> Twins:
    """Which entries show the same eye, and which are the same photograph."""
    cache_file = Path(cache_dir) / FINGERPRINTS if cache_dir is not None else None
    pairs = find_same_eyes([entry.image for entry in entries], cache_file=cache_file)
    copies: list[list[int]] = [[] for _ in entries]
    for pair in _copies(pairs):
        copies[pair.first].append(pair.second)
        copies[pair.second].append(pair.first)
    return Twins(group_duplicates(len(entries), pairs), copies)


def _copies(pairs: Iterable[Duplicate]) -> list[Duplicate]:
    return [pair for pair in pairs if pair.correlation >= COPY]


def _item(position: int, entries: Sequence[Entry], twins: Twins, tasks: TaskList) -> Item:
    entry = entries[position]
    grades = entry.grades
    if entry.part == "A":
        # A training photograph must not learn its grade from a test set.
        twin_entries = [entries[i] for i in twins.copies[position] if entries[i].part == "B"]
        grades = _agreed(entry, [t for t in twin_entries if t.subset == "train" or entry.subset == "test"])
    labelled = [entry.part == "A" if task in tasks.masks else task.name in grades for task in tasks]
    return {
        "image": str(entry.image),
        "name": entry.name,
        "mask_paths": [str(entry.masks.get(task.name, "")) for task in tasks.masks],
        "labelled": labelled,
        "grades": [grades.get(task.name, MISSING_GRADE) for task in tasks.grades],
        "group": twins.groups[position],
        "leaks": False,
    }


def _agreed(entry: Entry, twins: Sequence[Entry]) -> dict[str, int]:
    """The grades on which all copies of a photograph agree."""
    agreed: dict[str, int] = {}
    for kind in GRADE_CLASSES:
        values = {twin.grades[kind] for twin in twins}
        if len(values) == 1:
            agreed[kind] = values.pop()
        elif values:
            names = ", ".join(f"{twin.name} {twin.grades[kind]}" for twin in twins)
            logger.warning("IDRiD: copies of %s disagree on %s (%s), so it has none", entry.name, kind, names)
    return agreed


def _report_conflicts(entries: Sequence[Entry], twins: Twins) -> None:
    """Part B grades a few of its photographs twice, and not always alike; both stay, as published."""
    for first, copies in enumerate(twins.copies):
        for second in copies:
            one, other = entries[first], entries[second]
            if first < second and one.grades and other.grades and one.grades != other.grades:
                logger.warning(
                    "IDRiD: %s %s and %s %s are one photograph", one.name, one.grades, other.name, other.grades
                )


def _check_keys(tasks: TaskList, split: str) -> None:
    if split not in SPLITS:
        raise ConfigError(f"split {split!r}", expected=f"one of {', '.join(SPLITS)}", fix="correct the key `split`")
    grades = ", ".join(f"{name} ({classes})" for name, classes in GRADE_CLASSES.items())
    for task in tasks:
        known = MASK_FOLDERS if task in tasks.masks else GRADE_CLASSES
        if task.name not in known or GRADE_CLASSES.get(task.name, 1) != task.num_classes:
            raise ConfigError(
                f"IDRiD has no {task.kind} task {task.name!r} with {task.num_classes} classes",
                expected=f"masks {', '.join(MASK_FOLDERS)}; grades {grades}",
                fix="correct the key `tasks`",
            )


def _report_leaks(split: str, names: Sequence[str]) -> None:
    if not names:
        return
    parts = Counter(name[0] for name in names)
    counts = ", ".join(f"{count} of part {part}" for part, count in sorted(parts.items()))
    if split == "leakage_free":
        logger.info("IDRiD: dropped %d training photographs whose eye is in a test set (%s)", len(names), counts)
    else:
        logger.warning(
            "IDRiD: the official split LEAKS: %d training photographs show an eye of a test set (%s); "
            "`split=leakage_free` drops them",
            len(names),
            counts,
        )


def _report_counts(lists: Mapping[str, Sequence[Item]], tasks: TaskList) -> None:
    for part, items in lists.items():
        labelled = {task.name: sum(item["labelled"][t] for item in items) for t, task in enumerate(tasks)}
        logger.info("IDRiD: %s has %d photographs, labelled %s", part, len(items), labelled)
        if part == "training":
            for name, count in labelled.items():
                if not count:
                    logger.warning("IDRiD: no training photograph is labelled for %s", name)
