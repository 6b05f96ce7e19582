"""The numbers of finished runs, by row, seed and subject, each with where it comes from."""

from __future__ import annotations

import csv
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from shared.errors import DataError
from shared.study.metric import Metric
from shared.study.plan import Study
from shared.study.schema import nearest
from shared.study.stages import EVALUATION, TRAINING, Row, Run
from shared.study.state import RunFolder

Floats = npt.NDArray[np.float64]
ONE = ""


class Cell(NamedTuple):
    """One metric of one finished run: its value, and by subject where it has any."""

    run: Run
    metric: str
    value: float
    subjects: dict[str, float]


class Results:
    """All numbers of a study's finished runs.

    Args:
        study: whose.
        folder: its folder.
    """

    def __init__(self, study: Study, folder: Path) -> None:
        self.study, self.folder = study, folder
        places = [(run, RunFolder(folder, run)) for run in study.runs]
        self.finished = [run for run, place in places if place.next_stage() is None]
        self.facts = {run.name: run_facts(folder, run) for run in self.finished}
        self.cells: dict[tuple[str, str], Cell] = {}
        self.absent: dict[tuple[str, str], DataError] = {}
        for run in self.finished:
            for metric in study.metrics:
                try:
                    self.cells[run.name, metric.name] = read_cell(folder, run, metric)
                except DataError as error:
                    self.absent[run.name, metric.name] = error

    @property
    def phantom(self) -> bool:
        """Whether any run used phantoms."""
        return any(facts.get("phantom") for facts in self.facts.values())

    def subjects(self, metric: str) -> list[str]:
        """Names of the subjects of a metric, of all rows; one empty name where runs give one number."""
        cells = [cell for cell in self.cells.values() if cell.metric == metric]
        return sorted({name for cell in cells for name in cell.subjects}) or [ONE]

    def values(self, row: Row, metric: str) -> Floats:
        """``[S, J]`` of a row, seeds in the study's order, NaN where a run is unfinished or a subject undefined.

        Subjects of all folds are pooled (a number without subjects is averaged over folds); a seed counts when all its
        folds are there.
        """
        names = self.subjects(metric)
        values_SJ = np.full((len(self.study.seeds), len(names)), np.nan)
        for position, seed in enumerate(self.study.seeds):
            runs = [run for run in self.study.runs if run.row.label == row.label and run.seed == seed]
            cells = [self.cells.get((run.name, metric)) for run in runs]
            known = [cell for cell in cells if cell is not None]
            if len(known) < len(cells):
                continue
            by_subject: dict[str, list[float]] = {}
            for cell in known:
                for name, value in (cell.subjects or {ONE: cell.value}).items():
                    by_subject.setdefault(name, []).append(value)
            for name, numbers in by_subject.items():
                values_SJ[position, names.index(name)] = np.mean(numbers)
        return values_SJ

    def rows_without(self, metric: str) -> list[str]:
        """Labels of rows with finished runs none of which has the metric."""
        finished = {run.row.label for run in self.finished}
        known = {cell.run.row.label for cell in self.cells.values() if cell.metric == metric}
        return [row.label for row in self.study.rows if row.label in finished - known]


def read_cell(folder: Path, run: Run, metric: Metric) -> Cell:
    """A metric of one run.

    Raises:
        DataError: its file, column or row is not there.
    """
    place = RunFolder(folder, run)
    file = place.output_dir(metric.stage) / metric.file
    if not file.is_file():
        there = sorted(item.name for item in file.parent.glob("*") if item.suffix in (".csv", ".json"))
        raise _absent(metric, f"no {metric.file} in {file.parent}", expected=", ".join(there) or "no table at all")
    rows = selected_epoch(file) if metric.file == "history.json" else read_csv(file)
    columns = list(rows[0]) if rows else []
    for column in (metric.column, *metric.where, *([metric.subject] if metric.subject else [])):
        if column not in columns:
            hint = nearest(column, columns)
            raise _absent(metric, f"no column {column!r} in {file}{hint}", expected=", ".join(columns))
    chosen = [row for row in rows if all(str(row[key]) == value for key, value in metric.where.items())]
    if not chosen or (len(chosen) > 1 and not metric.subject):
        seen = "; ".join(f"{key}: {', '.join(sorted({str(row[key]) for row in rows}))}" for key in metric.where)
        wanted = "one row, or a `subject` column" if chosen else "a row with what the columns hold"
        received = f"{len(chosen)} of {len(rows)} rows of {file} have {metric.where or 'a value'}"
        raise _absent(metric, received, expected=f"{wanted}{f' ({seen})' if seen else ''}")
    numbers = [(str(row.get(metric.subject, ONE)), _number(row[metric.column])) for row in chosen]
    if not metric.subject:
        return Cell(run, metric.name, numbers[0][1], {})
    by_subject: dict[str, list[float]] = {}
    for name, value in numbers:
        if not np.isnan(value):
            by_subject.setdefault(name, []).append(value)
    subjects = {name: float(np.mean(values)) for name, values in by_subject.items()}
    if not subjects:
        raise _absent(metric, f"column {metric.column!r} of {file} is empty", expected="a number for some subject")
    return Cell(run, metric.name, float(np.mean(list(subjects.values()))), subjects)


def selected_epoch(history: Path) -> list[dict[str, Any]]:
    """The history's row of the epoch whose weights were kept (`model.json` beside it), else the last."""
    rows = json.loads(history.read_text())
    model = history.with_name("model.json")
    epoch = json.loads(model.read_text()).get("epoch") if model.is_file() else None
    return [row for row in rows if row.get("epoch") == epoch] or rows[-1:]


def run_facts(folder: Path, run: Run) -> dict[str, Any]:
    """What is recorded about a run: ``phantom``, ``commit``, ``date``, ``hardware``, ``versions``, ``seconds``."""
    place = RunFolder(folder, run)
    file = place.path / "run.json"
    facts: dict[str, Any] = json.loads(file.read_text()) if file.is_file() else {}
    seconds = {stage: place.state(stage).get("seconds") for stage in (TRAINING, EVALUATION)}
    return facts | {"seconds": sum(value for value in seconds.values() if value is not None)}


def result_rows(results: Results) -> list[dict[str, Any]]:
    """`results.csv`: one line per run and metric, with provenance."""
    lines = []
    for run in results.finished:
        facts = results.facts[run.name]
        hardware: Mapping[str, Any] = facts.get("hardware", {})
        for metric in results.study.metrics:
            cell = results.cells.get((run.name, metric.name))
            lines.append(
                {"row": run.row.label, **run.row.levels, "seed": run.seed, "fold": run.fold, "metric": metric.name}
                | {"value": cell.value if cell else None, "subjects": len(cell.subjects) if cell else None}
                | {"split": _split(results.folder, run, metric), "phantom": facts.get("phantom")}
                | {"bundle": facts.get("bundle"), "commit": facts.get("commit"), "date": facts.get("date")}
                | {"device": hardware.get("device"), "cores": hardware.get("cores")}
                | {"torch": facts.get("versions", {}).get("torch"), "seconds": facts.get("seconds")}
                | {"digest": run.stages[-1].digest, "folder": run.name}
            )
    return lines


def read_csv(file: Path) -> list[dict[str, Any]]:
    """Rows of a CSV file, all text."""
    with file.open(newline="", encoding="utf-8") as content:
        return list(csv.DictReader(content))


def _split(folder: Path, run: Run, metric: Metric) -> str | None:
    report = RunFolder(folder, run).output_dir(metric.stage) / "metrics.json"
    known = json.loads(report.read_text()).get("split") if report.is_file() else None
    return known or ("validation" if metric.stage == TRAINING else None)


def _number(value: Any) -> float:
    try:
        return float({"True": "1", "False": "0", "": "nan", None: "nan"}.get(value, value))
    except (TypeError, ValueError):
        return float("nan")


def _absent(metric: Metric, received: str, *, expected: str) -> DataError:
    return DataError(
        f"metric {metric.name!r}: {received}", expected=expected, fix="correct the metric in the study file"
    )
