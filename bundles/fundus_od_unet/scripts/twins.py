"""Photographs that are in a data set under more than one name."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

import numpy as np

from scripts.entry import Entry
from scripts.masks import CROP
from shared.data.duplicates import COPY, Duplicate, find_duplicates, fingerprint, group_duplicates, identical_files
from shared.errors import DataError
from shared.progress import progress_bar


def copies(entries: Sequence[Entry]) -> list[Duplicate]:
    """Photographs of the same content in another size or quality, by position (`shared.data.duplicates`).

    Only photographs that show a whole field of view are compared: what tells them apart is measured on such ones.
    Stereo photographs and pictures cut out around the disc are compared by `identical_files` alone.
    """
    places, prints = [], []
    for place, entry in enumerate(progress_bar(entries, desc="copies", unit="photo", disable=len(entries) < 100)):
        if entry.stereo or entry.rule == CROP:
            continue
        try:
            prints.append(fingerprint(entry.image))
        except DataError:
            continue
        places.append(place)
    found = find_duplicates(np.stack(prints), threshold=COPY) if prints else []
    return [Duplicate(places[pair.first], places[pair.second], pair.correlation) for pair in found]


def twins(entries: Sequence[Entry], *, quick: bool = False) -> list[list[Entry]]:
    """Groups of entries, two or more, that are one photograph.

    Args:
        quick: compare files byte for byte only.
    """
    pairs = identical_files([entry.image for entry in entries]) + ([] if quick else copies(entries))
    groups: dict[int, list[Entry]] = defaultdict(list)
    for entry, number in zip(entries, group_duplicates(len(entries), pairs), strict=True):
        groups[number].append(entry)
    return [members for members in groups.values() if len(members) > 1]
