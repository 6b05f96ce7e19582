"""Tables and files of an evaluation on discs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from scripts.agreement import DEFINITIONS, RATIO
from scripts.report.pictures import draw_discs
from scripts.report.rows import DiscRow, classes_of
from scripts.report.scored import MODEL, Scored
from shared.draw.look import titled
from shared.report.files import write_csv, write_json
from shared.report.table import format_table, number, with_interval

if TYPE_CHECKING:
    from scripts.report.handler import DiscReport

COLUMNS = {"Dice": "dice", "IoU": "iou", "HD95 px": "hd95_px", "ASSD px": "assd_px", "HD95 diameters": "hd95_dd"}
EXACT = ("dice", "error")


def write_discs(report: DiscReport) -> str:
    """Write every file of the report and return the text to print."""
    folder = report.output_dir
    data_sets = list(dict.fromkeys(item.data_set for item in report.scored))
    phantom = all(item.phantom for item in report.scored)
    write_json(
        folder / "metrics.json",
        {
            "split": report.split,
            "provenance": report.provenance,
            "photographs": {name: sum(item.data_set == name for item in report.scored) for name in data_sets},
            "persons": {
                name: len({item.person for item in report.scored if item.data_set == name}) for name in data_sets
            },
            "keep_largest": report.keep_largest,
            "bootstrap": {"samples": report.samples, "seed": report.seed, "confidence": 0.95, "over": "persons"},
            "metrics": [row._asdict() for row in report.rows],
            "definitions": DEFINITIONS,
        },
    )
    write_csv(folder / "metrics.csv", [row._asdict() for row in report.rows], DiscRow._fields)
    photographs = [photograph_row(item) for item in report.scored]
    write_csv(folder / "per_photograph.csv", photographs, _keys(photographs))
    readers = [row for item in report.scored for row in reader_rows(item)]
    if readers:
        write_csv(folder / "per_reader.csv", readers, _keys(readers))
    wide = [data_set_row(name, report.rows) for name in data_sets]
    write_csv(folder / "data_sets.csv", wide, _keys(wide))
    if report.figures:
        draw_discs(report)
    text = "\n\n".join([*disc_tables(report.rows, report.split, phantom=phantom), *_notes(report.scored)])
    return (
        f"{text}\n\nReport: {folder}/metrics.json, metrics.csv, data_sets.csv, per_photograph.csv"
        + (", per_reader.csv" if readers else "")
        + (f"\nPictures: {folder}/figures" if report.figures else "")
    )


def disc_tables(rows: Sequence[DiscRow], split: str, *, phantom: bool) -> list[str]:
    """The tables to print: one for each class and one for the ratio, a line per data set and comparison."""
    tables = []
    for task in classes_of(rows):
        lines = _lines(rows, task)
        body = [
            [*place, line["dice"].n, *(_cell(line[metric]) for metric in COLUMNS.values()), _found(line["found"])]
            for place, line in lines.items()
        ]
        title = titled(f"{task}: means over photographs, split {split!r}", phantom=phantom)
        tables.append(format_table(["data set", "compared", "n", *COLUMNS, "found"], body, title=title))
    ratio = _lines(rows, RATIO)
    if ratio:
        body = [[*place, line["error"].n, _cell(line["error"]), _cell(line["bias"])] for place, line in ratio.items()]
        title = titled(f"Vertical cup-to-disc ratio, split {split!r}", phantom=phantom)
        tables.append(format_table(["data set", "compared", "n", "absolute error", "bias"], body, title=title))
    return tables


def photograph_row(item: Scored) -> dict[str, Any]:
    """One line of ``per_photograph.csv``: what was found, and the model's measures."""
    about = {"name": item.name, "data_set": item.data_set, "person": item.person}
    return about | item.facts | _flat(item.values[MODEL])


def reader_rows(item: Scored) -> list[dict[str, Any]]:
    """Lines of ``per_reader.csv``: every other comparison."""
    others = {comparison: values for comparison, values in item.values.items() if comparison != MODEL}
    return [{"name": item.name, "compared": comparison} | _flat(values) for comparison, values in others.items()]


def data_set_row(data_set: str, rows: Sequence[DiscRow]) -> dict[str, Any]:
    """One line of ``data_sets.csv``: the model's measures with their limits."""
    own = [row for row in rows if row.subset == data_set and row.prediction == MODEL]
    line: dict[str, Any] = {"data_set": data_set, "photographs": max(row.n for row in own)}
    for row in own:
        name = f"{row.task}_{row.metric}"
        line |= {name: row.value, f"{name}_low": row.low, f"{name}_high": row.high}
    return line


def _flat(values: Mapping[tuple[str, str], float]) -> dict[str, float]:
    return {f"{task}_{metric}": value for (task, metric), value in values.items()}


def _lines(rows: Sequence[DiscRow], task: str) -> dict[tuple[str, str], dict[str, DiscRow]]:
    lines: dict[tuple[str, str], dict[str, DiscRow]] = {}
    for row in rows:
        if row.task == task:
            lines.setdefault((row.subset, row.prediction), {})[row.metric] = row
    return lines


def _cell(row: DiscRow) -> str:
    if row.metric in EXACT:
        return with_interval(row.value, row.low, row.high)
    return number(row.value, 1 if row.metric.endswith("_px") else 3)


def _found(row: DiscRow) -> str:
    return f"{round(row.value * row.n)} of {row.n}"


def _notes(scored: Sequence[Scored]) -> list[str]:
    notes = []
    lost = [item.name for item in scored if not item.values[MODEL]["disc", "found"]]
    if lost:
        notes.append(
            f"No disc was found in {len(lost)}: {', '.join(lost[:5])}; their Dice is 0, distances leave them out."
        )
    cut = [item.name for item in scored if item.facts["true_touches_border"]]
    if cut:
        notes.append(f"The disc is cut by the picture's border in {len(cut)}: {', '.join(cut[:5])}.")
    left = sum(item.facts["view"] != "whole" for item in scored)
    if left:
        notes.append(f"{left} stereo photographs: their left view was scored.")
    return notes


def _keys(rows: Sequence[dict[str, Any]]) -> list[str]:
    return list(dict.fromkeys(key for row in rows for key in row))
