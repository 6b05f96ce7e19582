"""Recorded runs beside each other as tables."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from shared.comparison.curves import Curve, Standing
from shared.comparison.records import Comparison
from shared.report.files import write_csv
from shared.report.table import with_interval
from shared.study.table import markdown_table


def standing_rows(found: Sequence[Standing], *, part: str, measures: Sequence[str]) -> list[list[str]]:
    """Cells of a table: group, runs, photographs, then each measure as ``mean [low, high]``."""
    own = [item for item in found if item.part == part]
    lines = []
    for group in dict.fromkeys(item.group for item in own):
        by_measure = {item.measure: item for item in own if item.group == group}
        any_one = next(iter(by_measure.values()))
        cells = [with_interval(item.mean, item.low, item.high) for item in (by_measure[name] for name in measures)]
        lines.append([group, str(any_one.runs), str(any_one.photographs), *cells])
    return lines


def standing_table(found: Sequence[Standing], *, part: str, measures: Sequence[str]) -> str:
    """Markdown of `standing_rows`."""
    heads = [part, "seeds", "photographs", *(measure.replace("_", " ") for measure in measures)]
    return markdown_table(heads, standing_rows(found, part=part, measures=measures))


def difference_rows(found: Sequence[Standing], *, part: str, measures: Sequence[str]) -> list[list[str]]:
    """Cells of a table: group, then each measure's difference from the first group, with its p where there is one."""
    own = [item for item in found if item.part == part]
    lines = []
    for group in list(dict.fromkeys(item.group for item in own))[1:]:
        cells = [_difference(next(item for item in own if (item.group, item.measure) == (group, m))) for m in measures]
        lines.append([group, *cells])
    return lines


def write_comparison(
    comparison: Comparison, curves: Sequence[Curve], standings: Sequence[Standing], folder: Path
) -> list[Path]:
    """`curves.csv`, `standings.csv` and `runs.csv`."""
    by_epoch: list[dict[str, Any]] = [
        {"group": item.group, "part": item.part, "measure": item.measure, "epoch": epoch}
        | {"mean": mean, "low": low, "high": high}
        for item in curves
        for epoch, mean, low, high in zip(comparison.epochs, item.mean_E, item.low_E, item.high_E, strict=True)
        if not math.isnan(mean)
    ]
    return [
        write_csv(folder / "curves.csv", by_epoch, ["group", "part", "measure", "epoch", "mean", "low", "high"]),
        write_csv(folder / "standings.csv", [item._asdict() for item in standings], Standing._fields),
        write_csv(folder / "runs.csv", run_rows(comparison), list(run_rows(comparison)[0])),
    ]


def run_rows(comparison: Comparison) -> list[dict[str, Any]]:
    """Every run with where it comes from."""
    return [
        {
            "group": group.label,
            "seed": record.seed,
            "epochs": record.epochs[-1],
            "phantom": record.facts.get("phantom"),
            "bundle": record.facts.get("bundle"),
            "commit": record.facts.get("commit"),
            "date": record.facts.get("date"),
            "folder": record.folder,
        }
        for group in comparison.groups
        for record in group.records
    ]


def _difference(item: Standing) -> str:
    interval = "" if math.isnan(item.difference_low) else f" [{item.difference_low:+.3f}, {item.difference_high:+.3f}]"
    p = "" if math.isnan(item.p_holm) else f", p {item.p_holm:.3f}"
    return "-" if math.isnan(item.difference) else f"{item.difference:+.3f}{interval}{p}"
