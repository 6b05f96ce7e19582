"""Photographs of the optic disc as lists to train, validate and test on, split by person."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from scripts.entry import CUP, DISC, Entry
from scripts.load import check_classes
from scripts.masks import view_size
from scripts.sources import AUTO, choose_source, read_source
from shared.data.splits import split_groups
from shared.errors import ConfigError, DataError

logger = logging.getLogger(__name__)

Item = dict[str, Any]
PROTOCOLS = ("published", "seeded")
PUBLISHED_TEST = 9  # of RIM-ONE r3's 159; which ones was never said
TEST_FRACTION = 0.2


def make_datalist(
    dataset_dir: str | Path,
    *,
    source: str = AUTO,
    reader: str = "",
    protocol: str = "published",
    validation_fraction: float = 0.0,
    split_seed: int = 0,
) -> dict[str, list[Item]]:
    """Make the lists ``training``, ``validation`` and ``test``; all photographs of a person are in one of them.

    Where a source's own sets divide a person's photographs, those outside the test set (of others: outside the
    validation set) are left out, and the log says which.

    Items: ``image``, ``name``, ``disc`` (path), ``cup`` (path or ""), ``rule`` and ``stereo`` (for `scripts.masks`),
    ``reader``, ``source``, ``laterality``, ``diagnosis``, ``group`` (same number: same person).

    Args:
        source: of `scripts.sources.SOURCES`, or "auto": by the layout.
        reader: whose masks: of RIM-ONE r3 expert1, expert2 or average; "": the average, or the only ones there are.
        protocol: ``"published"``: the source's own test set; of RIM-ONE r3 nine photographs drawn by person (as many as
            published, which did not say which). ``"seeded"``: a fifth of all, by person, whatever the source says.
        validation_fraction: of what is not tested on, 0..1; the source's own validation set is added.
        split_seed: who.

    Raises:
        DataError: the first problem of the files; a photograph without that reader's mask; a stereo photograph of odd
            width; nobody left to train on.
        ConfigError: an unknown source, reader or protocol.
    """
    if protocol not in PROTOCOLS:
        raise ConfigError(
            f"protocol is {protocol!r}", expected=f"one of {', '.join(PROTOCOLS)}", fix="correct --protocol"
        )
    name = choose_source(dataset_dir, source=source)
    found = read_source(dataset_dir, source=name)
    if found.problems:
        raise found.problems[0].error
    entries = found.entries
    chosen = choose_reader(entries, reader)
    persons = sorted({entry.person for entry in entries})
    groups = [persons.index(entry.person) for entry in entries]
    items = [_item(entry, group, name, chosen) for entry, group in zip(entries, groups, strict=True)]
    tested, validated = _official(entries) if protocol == "published" else (set[int](), set[int]())
    if protocol == "seeded":
        tested = set(split_groups(groups, fraction=TEST_FRACTION, seed=split_seed).validation)
    elif name == "rim_one_r3" and not tested:
        tested = draw_exactly(groups, PUBLISHED_TEST, seed=split_seed)
    left_out = _divided(groups, tested, validated)
    validated -= left_out
    if left_out:
        names = ", ".join(str(items[place]["name"]) for place in sorted(left_out))
        logger.warning(
            "%d photographs of persons in %s's test or validation set left out: %s", len(left_out), name, names
        )
    rest = [place for place in range(len(items)) if place not in tested | validated | left_out]
    held = split_groups([groups[place] for place in rest], fraction=validation_fraction, seed=split_seed).validation
    validated |= {rest[place] for place in held}
    lists = {
        "training": [items[place] for place in rest if place not in validated],
        "validation": [items[place] for place in sorted(validated)],
        "test": [items[place] for place in sorted(tested)],
    }
    if not lists["training"]:
        raise DataError(
            f"{dataset_dir} leaves no photograph to train on: {len(tested)} to test, {len(validated)} to validate",
            expected="training photographs",
            fix="add the training set, or give --protocol seeded and a smaller --validation_fraction",
        )
    counts = ", ".join(f"{part} {len(members)}" for part, members in lists.items())
    logger.info("%s, masks of %s: %s photographs", name, chosen, counts)
    return lists


def choose_reader(entries: Sequence[Entry], reader: str) -> str:
    """The reader whose masks are used.

    Raises:
        ConfigError: no photograph has masks of that reader.
        DataError: some have none.
    """
    known = sorted({name for entry in entries for name in entry.masks})
    if not reader:
        reader = "average" if "average" in known else known[0]
    if reader not in known:
        names = ", ".join(known)
        raise ConfigError(f"reader is {reader!r}", expected=f"one of {names} here", fix="correct --reader")
    without = [entry.name for entry in entries if DISC not in entry.masks.get(reader, {})]
    if without:
        more = f" and {len(without) - 5} more" if len(without) > 5 else ""
        raise DataError(
            f"{len(without)} photographs have no disc mask of {reader}: {', '.join(without[:5])}{more}",
            expected="every photograph read by the same reader",
            fix=f"add the masks, or give another --reader ({', '.join(known)})",
        )
    return reader


def with_masks(items: Sequence[Item], *, classes: Sequence[str]) -> list[Item]:
    """The items, all of which have a mask of every class; to be trained and validated on.

    Raises:
        ConfigError: classes that are not the disc, or disc and cup.
        DataError: some have no mask of one.
    """
    check_classes(classes)
    for kind in classes:
        without = [str(item["name"]) for item in items if not item.get(kind)]
        if without:
            more = f" and {len(without) - 5} more" if len(without) > 5 else ""
            raise DataError(
                f"{len(without)} photographs have no {kind} mask of {items[0]['reader']}: "
                f"{', '.join(without[:5])}{more}",
                expected=f"masks of {' and '.join(classes)}, as `classes` says",
                fix=f"give --classes ['{DISC}'], or another --reader",
            )
    return list(items)


def draw_exactly(groups: Sequence[int], number: int, *, seed: int) -> set[int]:
    """Positions of ``number`` samples (fewer if whole groups cannot make it up), whole groups in a seeded order.

    At most half of all samples are drawn.
    """
    number = min(number, len(groups) // 2)
    order = sorted(set(groups))
    np.random.default_rng(seed).shuffle(order)
    drawn: set[int] = set()
    for group in order:
        members = {place for place, other in enumerate(groups) if other == group}
        if len(drawn) + len(members) <= number:
            drawn |= members
    return drawn


def _official(entries: Sequence[Entry]) -> tuple[set[int], set[int]]:
    """Positions of the source's test and validation photographs."""
    sets = [{place for place, e in enumerate(entries) if e.subset == subset} for subset in ("test", "validation")]
    return sets[0], sets[1]


def _divided(groups: Sequence[int], tested: set[int], validated: set[int]) -> set[int]:
    """Positions outside the test set of persons who are in it, and outside both sets of persons in the validation's."""
    persons_tested, persons_validated = ({groups[place] for place in part} for part in (tested, validated))
    return {
        place
        for place, person in enumerate(groups)
        if place not in tested
        and (person in persons_tested or (person in persons_validated and place not in validated))
    }


def _item(entry: Entry, group: int, source: str, reader: str) -> Item:
    if entry.stereo:
        view_size(entry.image, stereo=True)
    masks = entry.masks[reader]
    return {
        "image": str(entry.image),
        "name": f"{source}/{entry.name}",
        "disc": str(masks[DISC]),
        "cup": str(masks.get(CUP, "")),
        "rule": entry.rule,
        "stereo": entry.stereo,
        "reader": reader,
        "source": source,
        "laterality": entry.laterality,
        "diagnosis": entry.diagnosis,
        "group": group,
    }
