"""Seeded splits that never tear a group apart, and their files."""

from __future__ import annotations

import json
import os
import uuid
from collections import Counter
from collections.abc import Hashable, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from shared.errors import ConfigError, DataError


class Split(NamedTuple):
    """Positions of the samples on either side, ascending."""

    training: list[int]
    validation: list[int]


def split_groups(
    groups: Sequence[int], *, fraction: float, seed: int = 0, strata: Sequence[Hashable] | None = None
) -> Split:
    """Hold out about ``fraction`` of the samples, whole groups at a time, of every stratum alike.

    Groups come in random order, large ones first; one is held out if that brings the counts held out nearer to
    ``fraction`` of every stratum (iterative stratification after Sechidis et al. 2011). With two groups or more and
    a fraction inside 0..1, neither side is empty.

    Args:
        groups: the group of every sample.
        fraction: 0..1.
        strata: what to balance, per sample (such as its grade); default: only the number.
    """
    if not 0 <= fraction <= 1:
        raise ConfigError(f"validation fraction {fraction}", expected="a number in 0..1", fix="correct the key")
    labels = list(strata) if strata is not None else [0] * len(groups)
    members: dict[int, list[int]] = {}
    for position, group in enumerate(groups):
        members.setdefault(group, []).append(position)
    order = sorted(members)
    np.random.default_rng(seed).shuffle(order)
    order.sort(key=lambda group: -len(members[group]))
    missing = {label: fraction * count for label, count in Counter(labels).items()}
    held: list[int] = []
    for group in order:
        counts = Counter(labels[position] for position in members[group])
        if sum(count * (2 * missing[label] - count) for label, count in counts.items()) > 1e-9:
            held.append(group)
            for label, count in counts.items():
                missing[label] -= count
    if 0 < fraction < 1 and len(order) > 1:
        if not held:
            held = [order[-1]]
        elif len(held) == len(order):
            held.pop()
    chosen = set(held)
    validation = [position for position, group in enumerate(groups) if group in chosen]
    return Split([position for position, group in enumerate(groups) if group not in chosen], validation)


def save_split(names: dict[str, list[str]], path: str | Path, *, about: dict[str, str | int | float] | None = None) -> None:
    """Write the names of every part (``training``, ``validation``, ...) as JSON; whole or not at all.

    Args:
        about: how the split was made (seed, fraction, ...), for the reader.
    """
    target = Path(path)
    partial = target.with_name(f".{target.name}-{uuid.uuid4().hex}.part")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        partial.write_text(json.dumps({"about": about or {}, "parts": names}, indent=1) + "\n")
        os.replace(partial, target)
    except OSError as error:
        partial.unlink(missing_ok=True)
        raise DataError(
            f"cannot write the split to {target}: {error.strerror}",
            expected="a folder that can be written to, on a disk with room",
            fix="free some space or choose another `output_dir`",
        ) from error


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
    twice = [name for name, count in Counter(name for members in names.values() for name in members).items() if count > 1]
    if twice:
        raise DataError(
            f"the split {path} names photographs twice: {', '.join(twice[:5])}",
            expected="every photograph in one part only",
            fix="delete the file, so that the split is made anew from the seed",
        )
    return names
