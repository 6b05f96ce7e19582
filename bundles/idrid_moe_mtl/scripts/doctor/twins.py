"""Photographs that are in the data set more than once, and what that means for its splits."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path

from scripts.datalist import FINGERPRINTS
from scripts.doctor.files import Survey
from scripts.doctor.pixels import Look
from scripts.idrid import Entry
from shared.data.duplicates import COPY, Duplicate, find_same_eyes, group_duplicates
from shared.doctor import ERROR, NOTE, WARNING, Diagnosis
from shared.errors import DataError


def same_eyes(
    survey: Survey, looks: Mapping[str, Look], diagnosis: Diagnosis, *, cache_dir: str | Path | None, num_workers: int
) -> list[Duplicate]:
    """Pairs of one eye among the photographs that can be used, by position in ``survey.entries``."""
    places = [p for p, entry in enumerate(survey.entries) if entry.name in looks and looks[entry.name].sound]
    cache_file = Path(cache_dir) / FINGERPRINTS if cache_dir is not None else None
    try:
        images = [survey.entries[place].image for place in places]
        pairs = find_same_eyes(images, cache_file=cache_file, num_workers=num_workers)
    except DataError as error:
        diagnosis.add(ERROR, "photographs cannot be compared", error.received, fix=error.fix)
        return []
    return [Duplicate(places[pair.first], places[pair.second], pair.correlation) for pair in pairs]


def check_twins(survey: Survey, pairs: Sequence[Duplicate], diagnosis: Diagnosis) -> None:
    """One finding for every eye that has more than one photograph."""
    groups: dict[int, list[int]] = defaultdict(list)
    for position, group in enumerate(group_duplicates(len(survey.entries), pairs)):
        groups[group].append(position)
    leaking = 0
    for places in groups.values():
        if len(places) > 1:
            members = [survey.entries[place] for place in places]
            within = [pair for pair in pairs if pair.first in places]
            leaking += _report(survey, members, min(pair.correlation for pair in within), diagnosis)
    if leaking:
        message = (
            f"{leaking} training photographs show an eye of a test set. The default protocol, `leakage_free`, leaves "
            "them out of training; with `official` they stay, and results on the test sets are too good"
        )
        diagnosis.add(NOTE, "what is done about leaks", message)


def _report(survey: Survey, members: list[Entry], correlation: float, diagnosis: Diagnosis) -> int:
    """Add the finding; how many training photographs leak into a test set."""
    subsets, parts = {entry.subset for entry in members}, {entry.part for entry in members}
    how = "the same photograph" if correlation >= COPY else f"the same eye (similarity {correlation:.2f})"
    how = "the same file" if diagnosis.quick else how
    pictures = [survey.picture(entry) for entry in members]
    names = [entry.name for entry in members]
    training = [entry for entry in members if entry.subset == "train"]
    if len(subsets) > 1:
        message = f"{how} in training and test"
        diagnosis.add(WARNING, "leak between training and test", message, *names, pictures=pictures)
        return len(training)
    grades = [entry.part for entry in members]
    if max(grades.count(part) for part in parts) > 1:
        kind, message = "duplicate within a part", f"{how} more than once in one part"
        fix = "nothing needs to be done: a validation split keeps them together"
        diagnosis.add(NOTE, kind, message, *names, fix=fix, pictures=pictures)
    else:
        then = "its grade goes with its masks" if correlation >= COPY else "a split keeps them together"
        message = f"{how} in parts A and B: {then}"
        diagnosis.add(NOTE, "photograph in both parts", message, *names)
    return 0
