"""The sources by name, and which one a folder is."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from scripts import drions, drishti, idrid_disc, refuge, rim_one_dl, rim_one_r3
from scripts.entry import Found
from shared.choices import check_choice
from shared.errors import DataError

AUTO = "auto"


class Source(NamedTuple):
    """How a data set is recognised and read, and what its folders look like."""

    recognises: Callable[[Path], bool]
    find: Callable[[Path], Found]
    layout: str


SOURCES = {
    "rim_one_r3": Source(rim_one_r3.recognises, rim_one_r3.find, rim_one_r3.LAYOUT),
    "rim_one_dl": Source(rim_one_dl.recognises, rim_one_dl.find, rim_one_dl.LAYOUT),
    "drishti": Source(drishti.recognises, drishti.find, drishti.LAYOUT),
    "refuge": Source(refuge.recognises, refuge.find, refuge.LAYOUT),
    "idrid_disc": Source(idrid_disc.recognises, idrid_disc.find, idrid_disc.LAYOUT),
    "drions": Source(drions.recognises, drions.find, drions.LAYOUT),
}


def choose_source(dataset_dir: str | Path, *, source: str = AUTO) -> str:
    """The source's name: the one given, or the first whose layout the folder has.

    Raises:
        ConfigError: an unknown name.
        DataError: no such folder, or one of no known layout.
    """
    root = Path(dataset_dir)
    check_choice("source", source, [AUTO, *SOURCES])
    if not root.is_dir():
        raise DataError(f"{root} is no folder", expected="a data set's folder", fix="correct --dataset_dir")
    if source != AUTO:
        return source
    for name, candidate in SOURCES.items():
        if candidate.recognises(root):
            return name
    raise DataError(
        f"{root} has the layout of no source that is known",
        expected="".join(f"\n    {name}: {known.layout}" for name, known in SOURCES.items()),
        fix="give the folder that holds these as --dataset_dir, and the source's name as --source",
    )


def read_source(dataset_dir: str | Path, *, source: str = AUTO) -> Found:
    """All usable photographs and all problems.

    Raises:
        ConfigError, DataError: see `choose_source`; or there is no photograph at all.
    """
    name = choose_source(dataset_dir, source=source)
    found = SOURCES[name].find(Path(dataset_dir))
    if not found.entries and not found.problems:
        raise DataError(
            f"{dataset_dir} has no photograph of {name}",
            expected=SOURCES[name].layout,
            fix="correct --dataset_dir or --source",
        )
    return found
