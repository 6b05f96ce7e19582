"""Who is trained and validated on: by patient, stratified by vendor, seeded."""

from __future__ import annotations

import math
import zlib
from collections.abc import Collection, Mapping, Sequence
from typing import Any

import numpy as np

from shared.choices import nearest
from shared.data.splits import split_groups
from shared.errors import ConfigError

Item = Mapping[str, Any]


def hold_out(volumes: Sequence[Item], *, always: Collection[str], fraction: float, seed: int) -> set[str]:
    """Patients for validation: about ``fraction`` of those that are not in ``always``, of every vendor alike.

    Raises:
        ConfigError: nobody can be held out, or nobody is left to train on.
    """
    free = [volume for volume in volumes if volume["patient"] not in always]
    patients = sorted({volume["patient"] for volume in free})
    groups = [patients.index(volume["patient"]) for volume in free]
    split = split_groups(groups, fraction=fraction, seed=seed, strata=[volume["vendor"] for volume in free])
    held = {free[place]["patient"] for place in split.validation}
    if (fraction and not held) or (len(held) == len(patients) and not always):
        raise ConfigError(
            f"validation_fraction {fraction:g} of {len(patients)} patients cannot be held out",
            expected="at least one patient with labels on either side",
            fix="give more labelled volumes, or another --validation_fraction",
        )
    return held


def fold_of(volumes: Sequence[Item], *, always: Collection[str], fold: int, num_folds: int, seed: int) -> set[str]:
    """Patients of one fold: every patient that is not in ``always`` is in exactly one, every vendor's dealt out evenly.

    Raises:
        ConfigError: there is no such fold, or there are more folds than patients.
    """
    vendors = {volume["patient"]: volume["vendor"] for volume in volumes if volume["patient"] not in always}
    if not 2 <= num_folds <= len(vendors) or fold >= num_folds:
        raise ConfigError(
            f"fold {fold} of num_folds {num_folds} with {len(vendors)} patients",
            expected=f"2 to {len(vendors)} folds (patients of `always_training` are in none), numbered from 0",
            fix="for example --num_folds 4 --fold 0; --fold -1 for one plain split",
        )
    order = []
    for vendor in sorted(set(vendors.values())):
        members = sorted(patient for patient, other in vendors.items() if other == vendor)
        _generator(seed, vendor).shuffle(members)
        order += members
    return set(order[fold::num_folds])


def choose_labelled(volumes: Sequence[Item], *, fraction: float, first: Collection[str], seed: int) -> set[str]:
    """Names of the volumes whose labels are used: ``fraction`` of each vendor's, rounded, in a seeded order that begins
    with those of the patients ``first``. What a small fraction has, a larger one has too.

    Raises:
        ConfigError: a fraction outside 0..1, or one that leaves a vendor none.
    """
    if not 0 < fraction <= 1:
        raise ConfigError(f"labelled_fraction {fraction}", expected="above 0, at most 1", fix="for example 0.125")
    chosen: set[str] = set()
    for vendor in sorted({volume["vendor"] for volume in volumes}):
        members = sorted((v for v in volumes if v["vendor"] == vendor), key=lambda volume: volume["name"])
        count = math.floor(fraction * len(members) + 0.5)
        if not count:
            raise ConfigError(
                f"labelled_fraction {fraction:g} leaves none of {vendor}'s {len(members)} training volumes labelled",
                expected=f"at least one labelled volume of every vendor: {0.5 / len(members):.3g} or more here",
                fix=f"for example --labelled_fraction {1 / len(members):.3g}",
            )
        _generator(seed, vendor).shuffle(members)  # type: ignore[arg-type]
        members.sort(key=lambda volume: volume["patient"] not in first)
        chosen |= {volume["name"] for volume in members[:count]}
    return chosen


def check_known(key: str, names: Collection[str], known: Collection[str]) -> None:
    """Refuse names that are not in the data.

    Raises:
        ConfigError: with the nearest name.
    """
    for name in names:
        if name not in known:
            near = nearest(name, sorted(known), cutoff=0)
            raise ConfigError(
                f"{key} names {name!r}, which is not in the data",
                expected=f"some of {', '.join(sorted(known)[:12])}{' ...' if len(known) > 12 else ''}",
                fix=f"correct --{key}{f'; did you mean {near}?' if near else ''}",
            )


def _generator(seed: int, vendor: str) -> np.random.Generator:
    return np.random.default_rng([seed, zlib.crc32(vendor.encode())])
