"""What `RecordPhotographs` left in runs' folders, read back and grouped.

Dimensions: S runs of a group (seeds), E epochs, J photographs.
"""

from __future__ import annotations

import csv
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from shared.comparison.labels import study_labels, what_differs
from shared.errors import ConfigError, DataError
from shared.handlers.photograph_record import FILE, FIRST

Floats = npt.NDArray[np.float64]
OVERLAY = (
    '{"+train#handlers": [{"_target_": "shared.handlers.RecordPhotographs", "network": "@network", '
    '"classes": "@classes", "datasets": {"validation": "@validate#dataset"}, "output_dir": "@output_dir"}]}'
)
SET = f"write {OVERLAY} to a file record.json beside train.json, give both as --config_file, and train"


class Record(NamedTuple):
    """One run's rows. ``values``: by (part, measure), then by (photograph, epoch); undefined ones are left out."""

    folder: Path
    seed: Any
    facts: Mapping[str, Any]
    config: Mapping[str, Any]
    best: int | None
    epochs: Sequence[int]
    measures: Sequence[str]
    values: Mapping[tuple[str, str], Mapping[tuple[str, int], float]]


class Group(NamedTuple):
    """Runs that differ by seed alone."""

    label: str
    records: Sequence[Record]


class Comparison(NamedTuple):
    """Groups, and what all of them have: epochs, parts, measures, and the photographs of each part, in order."""

    groups: Sequence[Group]
    epochs: Sequence[int]
    measures: Sequence[str]
    photographs: Mapping[str, Sequence[str]]

    @property
    def parts(self) -> list[str]:
        return list(self.photographs)

    @property
    def phantom(self) -> bool:
        """Whether any run used phantoms."""
        return any(record.facts.get("phantom") for group in self.groups for record in group.records)

    def values(self, group: Group, part: str, measure: str) -> Floats:
        """``[S, E, J]``, NaN where something is not there or undefined."""
        names = {name: place for place, name in enumerate(self.photographs[part])}
        places = {epoch: place for place, epoch in enumerate(self.epochs)}
        found_SEJ = np.full((len(group.records), len(places), len(names)), np.nan)
        for position, record in enumerate(group.records):
            for (name, epoch), value in record.values.get((part, measure), {}).items():
                found_SEJ[position, places[epoch], names[name]] = value
        return found_SEJ


def read_record(folder: str | Path) -> Record:
    """A run's record.

    Raises:
        DataError: the run recorded no photographs (says which key to set), or the file is none of `RecordPhotographs`.
    """
    folder = Path(folder)
    file = folder / FILE
    if not file.is_file():
        raise DataError(f"no {file}", expected="a run that recorded its photographs", fix=SET)
    with file.open(newline="", encoding="utf-8") as content:
        rows = list(csv.DictReader(content))
    measures = [name for name in (rows[0] if rows else {}) if name not in FIRST]
    values: dict[tuple[str, str], dict[tuple[str, int], float]] = {}
    try:
        for row in rows:
            for measure in measures:
                if row[measure]:
                    by_place = values.setdefault((row["part"], measure), {})
                    by_place[row["name"], int(row["epoch"])] = float(row[measure])
    except (KeyError, TypeError, ValueError) as error:
        raise _not_a_record(file, f"{type(error).__name__}: {error}") from error
    if not values:
        raise _not_a_record(file, "no rows")
    facts, config, model = (_json(folder / name) for name in ("run.json", "config.json", "model.json"))
    epochs = sorted({epoch for by_place in values.values() for _, epoch in by_place})
    return Record(folder, facts.get("seed"), facts, config, model.get("epoch"), epochs, measures, values)


def find_runs(places: Sequence[str | Path]) -> list[Path]:
    """Runs' folders; a study's folder stands for all its recorded runs.

    Raises:
        DataError: a place is no folder, or a study without recorded runs.
    """
    found: list[Path] = []
    for place in (Path(item).expanduser() for item in places):
        if not place.is_dir():
            raise DataError(f"{place} is no folder", expected="a run's or a study's folder", fix="correct the path")
        if not (place / "study.json").is_file():
            found.append(place)
            continue
        inside = sorted(file.parent for file in place.glob(f"*/seed_*/**/{FILE}"))
        if not inside:
            raise DataError(f"no run of the study {place} has {FILE}", expected="runs that recorded", fix=SET)
        found += inside
    return list(dict.fromkeys(path.resolve() for path in found))


def compare(places: Sequence[str | Path], *, names: Sequence[str] = ()) -> Comparison:
    """Read runs and put those that differ by seed alone into one group.

    Args:
        places: folders of runs or studies, at least one run in all.
        names: of the runs, in their order, in place of what differs; runs of one name are one group.

    Raises:
        DataError: a folder has no record, or the runs have no measure or part in common.
        ConfigError: as many names as there are runs were expected.
    """
    records = [read_record(folder) for folder in find_runs(places)]
    if names and len(names) != len(records):
        raise ConfigError(
            f"{len(names)} names for {len(records)} runs",
            expected="a name for each run, in their order; the same name for runs that differ by seed",
            fix=f"correct --names; the runs are {', '.join(str(record.folder) for record in records)}",
        )
    labels = list(names) or study_labels([record.folder for record in records])
    labels = labels or what_differs([record.config for record in records], [record.folder for record in records])
    groups = [
        Group(
            label, sorted((record for record, own in zip(records, labels, strict=True) if own == label), key=_by_seed)
        )
        for label in dict.fromkeys(labels)
    ]
    measures = [name for name in records[0].measures if all(name in record.measures for record in records)]
    parts = [
        part
        for part in dict.fromkeys(part for part, _ in records[0].values)
        if all(any(own == part for own, _ in record.values) for record in records)
    ]
    if not measures or not parts:
        raise DataError(
            "the runs have no measure or no data set in common",
            expected="runs that recorded the same classes and parts",
            fix="compare runs of one bundle and one set of classes",
        )
    photographs = {
        part: sorted(
            {name for record in records for (own, _), by in record.values.items() if own == part for name, _ in by}
        )
        for part in parts
    }
    return Comparison(groups, sorted({epoch for item in records for epoch in item.epochs}), measures, photographs)


def _by_seed(record: Record) -> str:
    return f"{record.seed:09}" if isinstance(record.seed, int) else str(record.seed)


def _not_a_record(file: Path, problem: str) -> DataError:
    return DataError(
        f"{file} cannot be read: {problem}", expected=f"a {FILE} of RecordPhotographs", fix="train the run again"
    )


def _json(file: Path) -> dict[str, Any]:
    return json.loads(file.read_text()) if file.is_file() else {}
