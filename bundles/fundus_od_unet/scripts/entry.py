"""One photograph as it was found with its readers' masks, and what was wrong with its files."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from shared.data.photograph import SUFFIXES
from shared.errors import DataError

DISC, CUP = "disc", "cup"
KINDS = (DISC, CUP)


class Entry(NamedTuple):
    """A photograph; nothing opened yet.

    ``masks``: by reader, by kind (`KINDS`). ``rule``: what their values mean, see `scripts.masks.RULES`. ``person``:
    photographs of one person have the same; where names do not tell, the photograph's own name. ``laterality``:
    "left", "right" or "". ``diagnosis``: the source's own word, or "". ``subset``: "train", "validation" or "test" as
    the source has it, or "". ``stereo``: two views side by side, of which the left one is read.
    """

    name: str
    image: Path
    masks: dict[str, dict[str, Path]]
    rule: str
    person: str
    laterality: str = ""
    diagnosis: str = ""
    subset: str = ""
    stereo: bool = False


class Problem(NamedTuple):
    """``kind``: a short name, the same for all of its kind; ``subject``: a photograph's or a file's name."""

    kind: str
    subject: str
    error: DataError


class Found(NamedTuple):
    """Photographs sorted by name, what cannot be used, and photographs without a disc mask (for inference)."""

    entries: list[Entry]
    problems: list[Problem]
    unmasked: Sequence[Entry] = ()


class Mask(NamedTuple):
    """A mask file, the photograph that its name speaks of, its reader and kind."""

    stem: str
    reader: str
    kind: str
    path: Path


def pair(entries: Iterable[Entry], masks: Iterable[Mask]) -> Found:
    """Give every photograph its masks.

    Args:
        entries: without masks; their names are what masks' names repeat.
        masks: those found; names are compared without regard to case.
    """
    photographs: dict[str, Entry] = {}
    problems: list[Problem] = []
    for entry in entries:
        other = photographs.setdefault(entry.name, entry)
        if other is not entry:
            error = DataError(
                f"two photographs are called {entry.name}: {other.image} and {entry.image}",
                expected="one file for every photograph",
                fix="take one of them out",
            )
            problems.append(Problem("photograph given twice", entry.name, error))
    stems = {stem.casefold(): stem for stem in photographs}
    for mask in masks:
        stem = stems.get(mask.stem.casefold())
        if stem is None:
            error = DataError(
                f"the mask {mask.path} is of no photograph: there is no {mask.stem}",
                expected="a photograph for every mask",
                fix="add the photograph, correct the mask's name, or take the mask out",
            )
            problems.append(Problem("mask without photograph", mask.path.name, error))
            continue
        kinds = photographs[stem].masks.setdefault(mask.reader, {})
        if mask.kind in kinds:
            error = DataError(
                f"two {mask.kind} masks of {stem}: {kinds[mask.kind]} and {mask.path}",
                expected="one mask of a kind by every reader",
                fix="take one of them out",
            )
            problems.append(Problem("mask given twice", stem, error))
            continue
        kinds[mask.kind] = mask.path
    for stem, entry in photographs.items():
        if not any(DISC in kinds for kinds in entry.masks.values()):
            error = DataError(
                f"the photograph {entry.image} has no mask of its disc",
                expected="a disc mask for every photograph: every eye has a disc",
                fix="add the mask, or take the photograph out",
            )
            problems.append(Problem("photograph without mask", stem, error))
    ordered = sorted(photographs.values(), key=lambda entry: entry.name)
    usable = [entry for entry in ordered if any(DISC in kinds for kinds in entry.masks.values())]
    return Found(usable, problems, [entry for entry in ordered if entry not in usable])


def pictures(folder: Path) -> Iterator[Path]:
    """Picture files in a folder and below it, sorted, without hidden ones; none where there is no such folder."""
    if folder.is_dir():
        for path in sorted(folder.rglob("*")):
            hidden = any(part.startswith(".") for part in path.relative_to(folder).parts)
            if path.suffix.lower() in SUFFIXES and path.is_file() and not hidden:
                yield path


def folder_like(root: Path, pattern: str) -> Path | None:
    """The first folder at ``root``, or up to two levels below it, whose name fully matches, in either case."""
    for places in ([root], sorted(root.glob("*")), sorted(root.glob("*/*"))):
        for place in places:
            if place.is_dir() and re.fullmatch(pattern, place.name, flags=re.IGNORECASE):
                return place
    return None
