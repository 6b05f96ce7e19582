"""Seeded splits that never tear a group apart, and their files."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Hashable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from shared.errors import ConfigError, DataError
from shared.files import write_text


class Split(NamedTuple):
    """Positions of the samples on either side, ascending."""

    training: list[int]
    validation: list[int]


def choose_split(*, datalist: Mapping[str, list[dict[str, Any]]], split: str) -> list[dict[str, Any]]:
    """The items of one split.

    Raises:
        ConfigError: there is no split of that name.
        DataError: the data set has nothing in it, e.g. no test part.
    """
    if split not in datalist:
        raise ConfigError(f"split {split!r}", expected=f"one of {', '.join(datalist)}", fix="correct --split")
    if not datalist[split]:
        others = [name for name, items in datalist.items() if items]
        raise DataError(
            f"the data set has no {split} photographs",
            expected=f"photographs to evaluate; it has {', '.join(others)}",
            fix=f"evaluate another split: {' or '.join(f'--split {name}' for name in others)}",
        )
    return datalist[split]


def split_groups(
    groups: Sequence[int], *, fraction: float, seed: int = 0, strata: Sequence[Hashable] | None = None
) -> Split:
    """Hold out about ``fraction`` of the samples, whole groups at a time, of every stratum alike.

    Iterative stratification (Sechidis et al. 2011) with groups for examples: the stratum with the fewest samples left
    goes first; each of its groups, in random order, large ones first, joins the side that lacks most of that stratum.
    With two groups or more and a fraction inside 0..1, neither side is empty.

    Args:
        groups: the group of every sample.
        fraction: 0..1.
        strata: what to balance, per sample (such as its grade); default: only the number.
    """
    if not 0 <= fraction <= 1:
        raise ConfigError(f"validation fraction {fraction}", expected="a number in 0..1", fix="correct the key")
    labels = list(strata) if strata is not None else [0] * len(groups)
    counts: dict[int, Counter[Hashable]] = {}
    for group, label in zip(groups, labels, strict=True):
        counts.setdefault(group, Counter())[label] += 1
    order = sorted(counts)
    np.random.default_rng(seed).shuffle(order)
    order.sort(key=lambda group: -counts[group].total())
    total = Counter(labels)
    lacking = {
        label: {False: (1 - fraction) * number, True: fraction * number}
        for label, number in sorted(total.items(), key=repr)
    }
    left, open_groups, held = Counter(total), dict.fromkeys(order), set[int]()
    while open_groups:
        label = min((label for label in lacking if left[label]), key=lambda label: left[label])
        for group in [group for group in open_groups if counts[group][label]]:
            side = lacking[label][True] > lacking[label][False]
            for other, number in counts[group].items():
                lacking[other][side] -= number
                left[other] -= number
            del open_groups[group]
            if side:
                held.add(group)
    if 0 < fraction < 1 and len(order) > 1:
        if not held:
            held = {order[-1]}
        elif len(held) == len(order):
            held.discard(order[-1])
    validation = [position for position, group in enumerate(groups) if group in held]
    return Split([position for position, group in enumerate(groups) if group not in held], validation)


def save_split(
    names: dict[str, list[str]], path: str | Path, *, about: dict[str, str | int | float] | None = None
) -> None:
    """Write the names of every part (``training``, ``validation``, ...) as JSON; whole or not at all.

    Args:
        about: how the split was made (seed, fraction, ...), for the reader.

    Raises:
        DataError: if the file cannot be written.
    """
    write_text(path, json.dumps({"about": about or {}, "parts": names}, indent=1) + "\n")


def load_split(path: str | Path) -> dict[str, list[str]]:
    """Read what `save_split` wrote.

    Raises:
        DataError: if the file is missing or is no split, or names one photograph in two parts.
    """
    try:
        parts = json.loads(Path(path).read_text())["parts"]
        names = {str(part): [str(name) for name in members] for part, members in parts.items()}
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise DataError(
            f"cannot read the split {path} ({type(error).__name__}: {error})",
            expected='JSON such as {"parts": {"training": ["name", ...], "validation": [...]}}',
            fix="delete the file, so that the split is made anew from the seed, or restore it",
        ) from error
    twice = [
        name for name, count in Counter(name for members in names.values() for name in members).items() if count > 1
    ]
    if twice:
        raise DataError(
            f"the split {path} names photographs twice: {', '.join(twice[:5])}",
            expected="every photograph in one part only",
            fix="delete the file, so that the split is made anew from the seed",
        )
    return names
