"""Data doctor for optic discs: everything that is wrong with a data set, instead of the first thing (`datalist.py`).

What the reader or training would refuse is an error. What they take, but may teach something false, is a warning. What
is only worth knowing is a note.
"""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from scripts.entry import CUP, DISC, Entry
from scripts.masks import OddWidth, read_label, read_view, view_size
from scripts.sources import AUTO, choose_source, read_source
from scripts.twins import twins
from shared.doctor import ERROR, WARNING, Diagnosis, Picture, Sample, Table, ask_the_reader, begin
from shared.doctor.training import stop_at_errors
from shared.draw.overlay import paint_masks
from shared.errors import DataError
from shared.progress import progress_bar
from shared.report.findings import touches_border

AGREEMENT = 0.8
SAMPLES = 5

Labels = dict[tuple[str, str], NDArray[np.bool_]]


def examine(
    dataset_dir: str | Path, *, quick: bool = False, cache_dir: str | Path | None = None, source: str = AUTO
) -> Diagnosis:
    """Look at everything, stop at nothing, write nothing into ``dataset_dir``.

    Args:
        quick: names and headers only.
        cache_dir: not used here; every bundle's doctor is given one.
        source: as for `make_datalist`.
    """
    root = Path(dataset_dir)
    diagnosis = begin(root, quick=quick, drawn="photographs")
    name = ask_the_reader(lambda: choose_source(root, source=source), diagnosis)
    found = ask_the_reader(lambda: read_source(root, source=name), diagnosis) if name else None
    if not name or not found:
        return diagnosis
    for problem in found.problems:
        diagnosis.add(ERROR, problem.kind, problem.error.received, problem.subject, fix=problem.error.fix)
    _check_readers(found.entries, diagnosis)
    bar = progress_bar(found.entries, desc="photographs", unit="photo", disable=len(found.entries) < 100)
    sound = [entry for entry in bar if _check(entry, diagnosis, quick=quick)]
    _check_twins(found.entries if quick else sound, diagnosis)
    _add_tables(name, found.entries, diagnosis)
    for place in np.unique(np.linspace(0, len(sound) - 1, min(SAMPLES, len(sound))).astype(int)):
        diagnosis.samples.append(Sample(sound[place].name, _picture(sound[place])))
    return diagnosis


def check_before_training(dataset_dir: str | Path, *, source: str = AUTO) -> None:
    """The quick part of `examine`: warnings are logged, a line for each kind, and errors raised.

    Args:
        source: as for `make_datalist`.

    Raises:
        DataError: with the first errors, and the command that lists them all.
        ConfigError: an unknown source.
    """
    stop_at_errors(
        examine(dataset_dir, quick=True, source=source),
        dataset_dir=dataset_dir,
        bundle_root=Path(__file__).resolve().parents[1],
        read=lambda: read_source(dataset_dir, source=source),
    )


def _check(entry: Entry, diagnosis: Diagnosis, *, quick: bool) -> bool:
    """Whether nothing is wrong with a photograph and its masks."""
    before = len(diagnosis.findings)
    try:
        size = view_size(entry.image, stereo=entry.stereo)
        if not quick:
            read_view(entry.image, stereo=entry.stereo)
    except DataError as error:
        odd = isinstance(error, OddWidth)
        kind = "stereo photograph of odd width" if odd else "photograph that cannot be read"
        diagnosis.add(ERROR, kind, error.received, entry.name, fix=error.fix, pictures=[Picture(entry.image)])
        return False
    if quick:
        return True
    labels: Labels = {}
    for reader, kinds in entry.masks.items():
        for kind, path in kinds.items():
            try:
                label_HW = read_label(path, kind=kind, rule=entry.rule, size=size, stereo=entry.stereo)
            except DataError as error:
                pictures = [Picture(entry.image)]
                diagnosis.add(ERROR, "unusable mask", error.received, entry.name, fix=error.fix, pictures=pictures)
                continue
            labels[reader, kind] = label_HW
    _check_shapes(entry, labels, diagnosis)
    return len(diagnosis.findings) == before


def _check_shapes(entry: Entry, labels: Labels, diagnosis: Diagnosis) -> None:
    discs = {reader: label_HW for (reader, kind), label_HW in labels.items() if kind == DISC}
    for reader, disc_HW in discs.items():
        picture = _picture(entry, reader)
        if touches_border(disc_HW):
            message = f"the disc of {reader} touches the picture's border: its diameter and area are not the disc's"
            diagnosis.add(WARNING, "disc at the border", message, entry.name, fix="look at it", pictures=[picture])
        cup_HW = labels.get((reader, CUP))
        if cup_HW is not None and (outside := int((cup_HW & ~disc_HW).sum())):
            message = f"{outside} pixels of the cup of {reader} lie outside its disc"
            diagnosis.add(WARNING, "cup outside the disc", message, entry.name, fix="look at it", pictures=[picture])
    if {"expert1", "expert2"} <= discs.keys():
        one, other = discs["expert1"], discs["expert2"]
        dice = 2 * float((one & other).sum()) / float(one.sum() + other.sum())
        if dice < AGREEMENT:
            message = f"the discs of expert1 and expert2 have a Dice of {dice:.2f}"
            pictures = [_picture(entry, reader) for reader in ("expert1", "expert2")]
            diagnosis.add(WARNING, "readers disagree", message, entry.name, fix="look at it", pictures=pictures)


def _check_readers(entries: list[Entry], diagnosis: Diagnosis) -> None:
    """Readers who have read some photographs only cannot be chosen."""
    counts = Counter(reader for entry in entries for reader, kinds in entry.masks.items() if DISC in kinds)
    for reader, count in sorted(counts.items()):
        if count < len(entries):
            message = f"{reader} has outlined the disc of {count} of {len(entries)} photographs and cannot be chosen"
            diagnosis.add(WARNING, "reader who left some out", message, fix="add the masks, or choose another --reader")


def _check_twins(entries: list[Entry], diagnosis: Diagnosis) -> None:
    """One photograph under several names may be trained on under one and tested on under another."""
    for members in twins(entries, quick=diagnosis.quick):
        sets = sorted({entry.subset for entry in members if entry.subset})
        where = f" (in {', '.join(sets)})" if len(sets) > 1 else ""
        message = f"one photograph under {len(members)} names{where}: a split may put it on both sides"
        pictures = [] if diagnosis.quick else [_picture(entry) for entry in members]
        names = [entry.name for entry in members]
        fix = "take all but one out"
        diagnosis.add(WARNING, "photograph under several names", message, *names, fix=fix, pictures=pictures)


def _picture(entry: Entry, reader: str = "") -> Picture:
    """The view with a reader's disc and cup in colour; without name the first one's."""
    masks = entry.masks[reader] if reader else next(kinds for kinds in entry.masks.values() if DISC in kinds)

    def draw() -> NDArray[np.uint8]:
        view = read_view(entry.image, stereo=entry.stereo)
        labels = {
            name: read_label(masks[kind], kind=kind, rule=entry.rule, size=view.full_size, stereo=entry.stereo)
            for kind, name in ((DISC, "OD"), (CUP, CUP))
            if kind in masks
        }
        return paint_masks(view.pixels_HW3, labels)

    return Picture(entry.image, {"OD" if kind == DISC else kind: path for kind, path in masks.items()}, draw)


def _add_tables(source: str, entries: list[Entry], diagnosis: Diagnosis) -> None:
    numbers = Counter((entry.subset or "all", entry.diagnosis or "not said") for entry in entries)
    rows = [[subset, word, number] for (subset, word), number in sorted(numbers.items())]
    diagnosis.tables.append(Table(f"Photographs of {source}", ["set", "diagnosis", "photographs"], rows))
    masks = Counter((reader, kind) for entry in entries for reader, kinds in entry.masks.items() for kind in kinds)
    rows = [[reader, kind, number] for (reader, kind), number in sorted(masks.items())]
    diagnosis.tables.append(Table("Masks", ["reader", "of", "photographs"], rows))
    persons = len({entry.person for entry in entries})
    diagnosis.tables.append(Table("Persons, as far as names tell", ["persons"], [[persons]]))
