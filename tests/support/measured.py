"""What a bundle declares that its runs write, against what a run wrote."""

from __future__ import annotations

import csv
import json
from fnmatch import fnmatchcase
from pathlib import Path

from shared.study.measured import read_measured
from tests.support.bundle import REPOSITORY


def compare_measured(bundle: str, folder: Path, *, stage: str = "training") -> tuple[set[str], set[str]]:
    """A run's folder -> ``file:column`` that are written but not declared, and declared but not written."""
    measured = read_measured(REPOSITORY / "bundles" / bundle)
    assert measured is not None
    declared = {(file, column) for file, columns in measured[stage].items() for column in columns}
    written = {(path.name, column) for path in folder.glob("*.csv") for column in header(path)}
    history = folder / "history.json"
    if history.is_file():
        written |= {(history.name, column) for row in json.loads(history.read_text()) for column in row}
    fit = {
        (want, have) for want in declared for have in written if want[0] == have[0] and fnmatchcase(have[1], want[1])
    }
    undeclared, unwritten = written - {have for _, have in fit}, declared - {want for want, _ in fit}
    return {":".join(pair) for pair in undeclared}, {":".join(pair) for pair in unwritten}


def header(path: Path) -> list[str]:
    """Names of a CSV file's columns."""
    with path.open(newline="") as file:
        return next(csv.reader(file))
