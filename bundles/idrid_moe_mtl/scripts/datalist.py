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

from scripts.idrid import ALWAYS_THERE, GRADE_CLASSES, MASK_FOLDERS, Entry, read_idrid
from shared.data.duplicates import COPY, Duplicate, find_same_eyes, group_duplicates
from shared.data.splits import split_groups
from shared.errors import ConfigError, DataError
from shared.tasks import MISSING_GRADE, Task, TaskList, parse_tasks

logger = logging.getLogger(__name__)

PROTOCOLS = ("leakage_free", "official")
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
    protocol: str = "leakage_free",
    validation_fraction: float = 0.2,
    split_seed: int = 0,
    cache_dir: str | Path | None = None,
    allow_missing: bool = False,
) -> dict[str, list[Item]]:
    """Make the data lists ``training``, ``validation`` and ``test`` (empty where the data set has no test set).

    Part A's photographs are labelled for all mask tasks (no file: no lesion; but every eye has an optic disc, so
    without its file that task is unlabelled). Part B's are labelled for the grade tasks. Part A's training photographs
    take the grades of their copies in part B's training set. Part A's test photographs take none, so that grades are
    tested on part B's official test set (103 photographs) and on nothing else.

    Validation is held out of all photographs of the training sets by eye, balanced by part and retinopathy grade,
    before ``tasks`` and ``protocol`` choose among them: a photograph is on the same side for every task list and
    protocol. Photographs without any label for ``tasks`` are left out.

    Test items carry ``leaks``: an eye of the official training parts (dropped from training under leakage_free).

    Args:
        protocol: ``"leakage_free"`` drops training photographs of eyes that are in a test set; no test photograph's eye
            is trained on. ``"official"`` keeps them.
        validation_fraction: of the training photographs, 0..1.
        split_seed: which of them.
        cache_dir: folder that remembers the comparison of photographs, by file; without, it is made anew (about 20 s).
        allow_missing: see `read_idrid`.

    Raises:
        DataError: see `read_idrid`; or if nothing is left for ``tasks``.
        ConfigError: for tasks that IDRiD does not have, or another ``protocol``.
    """
    task_list = parse_tasks(tasks)
    _check_keys(task_list, protocol)
    found = read_idrid(dataset_dir, allow_missing=allow_missing)
    for message in [*(f"absent: {what}" for what in found.absent), *found.problems]:
        logger.warning("IDRiD: %s", message)
    entries = found.entries
    twins = find_twins(entries, cache_dir=cache_dir)
    _report_conflicts(entries, twins)
    grades = [_known_grades(position, entries, twins) for position in range(len(entries))]
    held_out = _hold_out(entries, twins.groups, grades, fraction=validation_fraction, seed=split_seed)
    eyes: dict[str, set[int]] = {"train": set(), "test": set()}
    for entry, group in zip(entries, twins.groups, strict=True):
        eyes[entry.subset].add(group)
    lists: dict[str, list[Item]] = {"training": [], "validation": [], "test": []}
    dropped: list[str] = []
    for entry, group, known in zip(entries, twins.groups, grades, strict=True):
        item = _item(entry, group, known, task_list)
        item["leaks"] = entry.subset == "test" and group in eyes["train"]
        if not any(item["labelled"]):
            continue
        if entry.subset == "train" and group in eyes["test"]:
            dropped.append(entry.name)
            if protocol == "leakage_free":
                continue
        lists["test" if entry.subset == "test" else "validation" if entry.name in held_out else "training"].append(item)
    _report_leaks(protocol, dropped)
    if not any(lists.values()):
        raise DataError(
            f"{dataset_dir} has no photograph labelled for {', '.join(task_list.names)} (absent: {found.absent})",
            expected="part A for mask tasks, part B for grade tasks",
            fix="add the part that is missing, or take its tasks out of `tasks`",
        )
    _report_discs(entries, task_list)
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


def _known_grades(position: int, entries: Sequence[Entry], twins: Twins) -> dict[str, int]:
    """Part B: as published. Part A's training set: of the copies in part B's training set, never of a test set."""
    entry = entries[position]
    if entry.part == "B" or entry.subset == "test":
        return entry.grades
    copies = [entries[i] for i in twins.copies[position]]
    return _agreed(entry, [copy for copy in copies if copy.part == "B" and copy.subset == "train"])


def _hold_out(
    entries: Sequence[Entry], groups: Sequence[int], grades: Sequence[Mapping[str, int]], *, fraction: float, seed: int
) -> set[str]:
    """Names of the validation photographs."""
    tested = {group for entry, group in zip(entries, groups, strict=True) if entry.subset == "test"}
    held_out: set[str] = set()
    # Eyes that a test set shows are drawn for themselves: without them the rest must be balanced too.
    for shown in (False, True):
        chosen = [i for i, e in enumerate(entries) if e.subset == "train" and (groups[i] in tested) == shown]
        strata = [(entries[i].part, grades[i].get("RG", MISSING_GRADE)) for i in chosen]
        split = split_groups([groups[i] for i in chosen], fraction=fraction, seed=seed, strata=strata)
        held_out |= {entries[chosen[i]].name for i in split.validation}
    return held_out


def _item(entry: Entry, group: int, grades: Mapping[str, int], tasks: TaskList) -> Item:
    in_masks = {task.name: entry.part == "A" and task.name not in ALWAYS_THERE - entry.masks.keys() for task in tasks}
    return {
        "image": str(entry.image),
        "name": entry.name,
        "mask_paths": [str(entry.masks.get(task.name, "")) for task in tasks.masks],
        "labelled": [in_masks[task.name] if task in tasks.masks else task.name in grades for task in tasks],
        "grades": [grades.get(task.name, MISSING_GRADE) for task in tasks.grades],
        "group": group,
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


def _check_keys(tasks: TaskList, protocol: str) -> None:
    if protocol not in PROTOCOLS:
        raise ConfigError(
            f"protocol {protocol!r}", expected=f"one of {', '.join(PROTOCOLS)}", fix="correct the key `protocol`"
        )
    grades = ", ".join(f"{name} ({classes})" for name, classes in GRADE_CLASSES.items())
    for task in tasks:
        known = MASK_FOLDERS if task in tasks.masks else GRADE_CLASSES
        if task.name not in known or GRADE_CLASSES.get(task.name, 1) != task.num_classes:
            raise ConfigError(
                f"IDRiD has no {task.kind} task {task.name!r} with {task.num_classes} classes",
                expected=f"masks {', '.join(MASK_FOLDERS)}; grades {grades}",
                fix="correct the key `tasks`",
            )


def _report_leaks(protocol: str, names: Sequence[str]) -> None:
    if not names:
        return
    parts = Counter(name[0] for name in names)
    counts = ", ".join(f"{count} of part {part}" for part, count in sorted(parts.items()))
    if protocol == "leakage_free":
        logger.info("IDRiD: dropped %d training photographs whose eye is in a test set (%s)", len(names), counts)
    else:
        logger.warning(
            "IDRiD: the official split LEAKS: %d training photographs show an eye of a test set (%s); "
            "`protocol` leakage_free drops them",
            len(names),
            counts,
        )


def _report_discs(entries: Sequence[Entry], tasks: TaskList) -> None:
    for kind in sorted(ALWAYS_THERE & {task.name for task in tasks.masks}):
        names = [entry.name for entry in entries if entry.part == "A" and kind not in entry.masks]
        if names:
            more = f" and {len(names) - 5} more" if len(names) > 5 else ""
            logger.warning(
                "IDRiD: every eye has one, but %d photographs of part A have no %s file, so they are unlabelled for %s "
                "(%s%s)",
                len(names),
                kind,
                kind,
                ", ".join(names[:5]),
                more,
            )


def _report_counts(lists: Mapping[str, Sequence[Item]], tasks: TaskList) -> None:
    for part, items in lists.items():
        labelled = {task.name: sum(item["labelled"][t] for item in items) for t, task in enumerate(tasks)}
        logger.info("IDRiD: %s has %d photographs, labelled %s", part, len(items), labelled)
        if part == "training":
            for name, count in labelled.items():
                if not count:
                    logger.warning("IDRiD: no training photograph is labelled for %s", name)
