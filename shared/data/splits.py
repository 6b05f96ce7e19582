"""Seeded splits that never tear a group apart, their files, and the check against what a model was trained on."""

from __future__ import annotations

import json
import logging
from collections import Counter
from collections.abc import Hashable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from shared.data.contents import content_key
from shared.errors import ConfigError, DataError
from shared.files import write_text

logger = logging.getLogger(__name__)

SPLIT_FILE = "split.json"
HELD_OUT = ("validation", "test")


class Split(NamedTuple):
    """Positions of the samples on either side, ascending."""

    training: list[int]
    validation: list[int]


class SavedSplit(NamedTuple):
    """``parts``: names by part. ``contents``: by name, what tells the file from others of that name."""

    parts: dict[str, list[str]]
    contents: dict[str, str]
    about: dict[str, Any]


def choose_split(
    *,
    datalist: Mapping[str, list[dict[str, Any]]],
    split: str,
    ckpt_path: str | Path | None = None,
    checkpoints: Mapping[str, str | Path] | None = None,
    owner: str | None = None,
) -> list[dict[str, Any]]:
    """The items of one split, for a model to be scored on.

    Args:
        ckpt_path: the model's weights; what it was trained on is in ``split.json`` beside them, see `check_unseen`.
            Only `HELD_OUT` splits are checked.
        checkpoints: weights of several models by name, in place of ``ckpt_path``; each is checked.
        owner: what items of one group share, in messages; default: the eye, or of volumes the patient.

    Raises:
        ConfigError: there is no split of that name.
        DataError: the data set has nothing in it, e.g. no test part; or the model was trained on some of it.
    """
    if split not in datalist:
        raise ConfigError(f"split {split!r}", expected=f"one of {', '.join(datalist)}", fix="correct --split")
    if not datalist[split]:
        others = [name for name, items in datalist.items() if items]
        what = _noun(datalist)
        raise DataError(
            f"the data set has no {split} {what}",
            expected=f"{what} to evaluate; it has {', '.join(others)}",
            fix=f"evaluate another split: {' or '.join(f'--split {name}' for name in others)}",
        )
    files = list((checkpoints or {}).values()) or ([] if ckpt_path is None else [ckpt_path])
    for split_file in dict.fromkeys(Path(file).with_name(SPLIT_FILE) for file in files):
        if split in HELD_OUT:
            check_unseen(datalist, split=split, split_file=split_file, owner=owner)
    return datalist[split]


def check_unseen(
    datalist: Mapping[str, Sequence[Mapping[str, Any]]],
    *,
    split: str,
    split_file: str | Path,
    owner: str | None = None,
) -> None:
    """Check that a model was trained on nothing of a split, and on nothing else of the same eye (of volumes: patient).

    A photograph or volume is the same if its name and file are; so models may be scored on other data sets with the
    same names. Eyes are compared among the items of ``datalist``. Items that carry ``leaks`` may share an eye with what
    was trained on, with a warning: they are reported apart. Without the file, a warning says that nothing was checked.

    Args:
        datalist: items by split, with ``image``, ``name``, and optionally ``group`` (the eye, or the volume's patient)
            and ``leaks``. Whatever is not `HELD_OUT` is trained on.
        split_file: what the model's run saved.
        owner: as of `choose_split`.

    Raises:
        DataError: the model has seen some of it, or the file is damaged.
    """
    what = _noun(datalist)
    owner = owner or ("patient" if what == "volumes" else "eye")
    if not Path(split_file).is_file():
        logger.warning("no %s: whether the model was trained on the %s %s is not checked", split_file, split, what)
        return
    saved = load_split(split_file)
    trained = {name for part, names in saved.parts.items() if part not in HELD_OUT for name in names}
    seen = [
        item
        for items in datalist.values()
        for item in items
        if item["name"] in trained and saved.contents.get(item["name"]) == content_key(item["image"])
    ]
    names, groups = {item["name"] for item in seen}, {item["group"] for item in seen if "group" in item}
    related = [item for item in datalist[split] if item.get("group") in groups and item["name"] not in names]
    bad = [item["name"] for item in datalist[split] if item["name"] in names]
    bad += [item["name"] for item in related if not item.get("leaks")]
    if bad:
        keys = " ".join(f"--{key} {value}" for key, value in saved.about.items())
        more = f" and {len(bad) - 5} more" if len(bad) > 5 else ""
        raise DataError(
            f"{len(bad)} of {len(datalist[split])} {split} {what}, or others of the same {owner}, were trained on "
            f"according to {split_file}: {', '.join(bad[:5])}{more}",
            expected=f"{what} of {owner}s that the model has never seen",
            fix=f"give the keys that made the model's split{f' ({keys})' if keys else ''}, or another model or split",
        )
    if related:
        logger.warning("the model was trained on the %ss of %d %s %s", owner, len(related), split, what)


def _noun(datalist: Mapping[str, Sequence[Mapping[str, Any]]]) -> str:
    volumes = any("num_slices" in item for items in datalist.values() for item in items)
    return "volumes" if volumes else "photographs"


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
    datalist: Mapping[str, Sequence[Mapping[str, Any]]], path: str | Path, *, about: Mapping[str, Any] | None = None
) -> None:
    """Write the names of every part (``training``, ``validation``, ...) and contents as JSON; whole or not at all.

    Args:
        datalist: items by part, with ``name`` and ``image``.
        about: the keys that made the split, by name.

    Raises:
        DataError: if the file cannot be written.
    """
    content = {
        "about": dict(about or {}),
        "parts": {part: [item["name"] for item in items] for part, items in datalist.items()},
        "contents": {item["name"]: content_key(item["image"]) for items in datalist.values() for item in items},
    }
    write_text(path, json.dumps(content, indent=1) + "\n")


def load_split(path: str | Path) -> SavedSplit:
    """Read what `save_split` wrote.

    Raises:
        DataError: if the file is missing or is no split, or names something in two parts.
    """
    try:
        content = json.loads(Path(path).read_text())
        names = {str(part): [str(name) for name in members] for part, members in content["parts"].items()}
        saved = SavedSplit(names, dict(content["contents"]), dict(content["about"]))
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise DataError(
            f"cannot read the split {path} ({type(error).__name__}: {error})",
            expected='JSON such as {"about": {}, "parts": {"training": ["name", ...]}, "contents": {"name": "..."}}',
            fix="restore the file from the model's run",
        ) from error
    counts = Counter(name for members in names.values() for name in members)
    if twice := [name for name, count in counts.items() if count > 1]:
        raise DataError(
            f"the split {path} names the same twice: {', '.join(twice[:5])}",
            expected="every photograph or volume in one part only",
            fix="restore the file from the model's run",
        )
    return saved
