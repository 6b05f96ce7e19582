"""The study as Markdown, for the screen and for a README, and as CSV files."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

from shared.draw.look import PHANTOM
from shared.files import write_text
from shared.report.files import write_csv
from shared.study.collect import Results, result_rows
from shared.study.compare import Comparison, Summary, compare, resamples_of, summarise
from shared.study.gains import GapShare, MultiTaskGain, gap_shares, multi_task_gains
from shared.study.metric import Metric
from shared.study.notes import METHODS, source, warnings


class Tables(NamedTuple):
    """Everything that is computed from a study's results."""

    summaries: list[Summary]
    comparisons: list[Comparison]
    shares: list[GapShare]
    gains: list[MultiTaskGain]


def compute(results: Results) -> Tables:
    """All numbers of the tables."""
    summaries, comparisons, shares = [], [], []
    for metric in results.study.metrics:
        if not any(cell.metric == metric.name for cell in results.cells.values()):
            continue
        resamples = resamples_of(results, metric)
        found = [summarise(results, row, metric, resamples) for row in results.study.rows]
        summaries += [summary for summary in found if summary is not None]
        comparisons += compare(results, metric, resamples)
        shares += gap_shares(results, metric, resamples)
    return Tables(summaries, comparisons, shares, multi_task_gains(results))


def write_tables(results: Results, tables: Tables, folder: Path) -> list[Path]:
    """`table.md`, `results.csv`, `summary.csv`; `comparisons.csv`, `gap.csv`, `delta_m.csv` where there are any."""
    rows = result_rows(results)
    written = [write_text(folder / "table.md", markdown(results, tables) + "\n")]
    if rows:
        written.append(write_csv(folder / "results.csv", rows, list(dict.fromkeys(key for row in rows for key in row))))
    named: dict[str, Sequence[Any]] = {
        "summary": tables.summaries,
        "comparisons": tables.comparisons,
        "gap": tables.shares,
        "delta_m": tables.gains,
    }
    for name, items in named.items():
        file = folder / f"{name}.csv"
        file.unlink(missing_ok=True)
        if items:
            written.append(write_csv(file, [item._asdict() for item in items], items[0]._fields))
    return written


def markdown(results: Results, tables: Tables) -> str:
    """The study's page: title, warnings, one table per metric, methods, where the numbers come from."""
    study = results.study
    title = f"{PHANTOM}: {study.title}" if results.phantom else study.title
    parts = [f"### {title}", study.note, *warnings(results)]
    for metric in study.metrics:
        parts.append(metric_table(results, tables, metric))
    if tables.gains:
        parts.append(gain_table(tables.gains))
    parts += [METHODS if tables.summaries else "", source(results)]
    return "\n\n".join(part for part in parts if part)


def metric_table(results: Results, tables: Tables, metric: Metric) -> str:
    """One line per row; columns without any content are left out."""
    summaries = {item.row: item for item in tables.summaries if item.metric == metric.name}
    comparisons = {item.row: item for item in tables.comparisons if item.metric == metric.name}
    shares = {item.row: item for item in tables.shares if item.metric == metric.name}
    if not summaries:
        return ""
    scale, digits = (100.0, 1) if metric.percent else (1.0, 3)
    unit = " %" if metric.percent else ""

    def span(low: float, high: float) -> str:
        return "" if math.isnan(low) else f" [{low * scale:.{digits}f}, {high * scale:.{digits}f}]"

    heads = [f"{metric.name}{unit}" + ("" if metric.larger_is_better else " (smaller is better)"), "seeds", "mean ± sd"]
    subjects = {item.subjects for item in summaries.values()} > {1} or any(s.subjects > 1 for s in summaries.values())
    heads += ["subjects"] * subjects + ["less control", "p (Holm)", "finds"] * bool(comparisons)
    heads += ["gap closed"] * bool(shares)
    lines = []
    for row in results.study.rows:
        if row.label not in summaries:
            continue
        item, compared, share = summaries[row.label], comparisons.get(row.label), shares.get(row.label)
        spread = "" if math.isnan(item.deviation) else f" ± {item.deviation * scale:.{digits}f}"
        cells = [row.label, str(item.seeds), f"{item.mean * scale:.{digits}f}{spread}{span(item.low, item.high)}"]
        cells += [str(item.subjects)] * subjects
        if comparisons:
            cells += comparison_cells(compared, scale, digits, span)
        if shares:
            cells.append(share_cell(share))
        lines.append(cells)
    control = results.study.control(metric)
    about = [f"Control: {control}."] if isinstance(control, str) and comparisons else []
    if isinstance(control, dict) and comparisons:
        about = [f"Control of each row: the row with {', '.join(f'{k} = {v}' for k, v in control.items())}."]
    return "\n\n".join([markdown_table(heads, lines), *about])


def comparison_cells(item: Comparison | None, scale: float, digits: int, span: Any) -> list[str]:
    """Difference with interval, adjusted p, smallest difference found."""
    if item is None:
        return ["", "", ""]
    finds = "" if math.isnan(item.smallest_difference) else f"{item.smallest_difference * scale:.{digits}f}"
    p = "" if math.isnan(item.p_holm) else ("< 0.001" if item.p_holm < 0.001 else f"{item.p_holm:.3f}")
    return [f"{item.difference * scale:+.{digits}f}{span(item.low, item.high)}", p, finds]


def share_cell(item: GapShare | None) -> str:
    """The share, unless the gap itself is not established."""
    if item is None:
        return ""
    if math.isnan(item.share) or math.isnan(item.gap_low) or item.gap_low <= 0 <= item.gap_high:
        return "no gap established"
    interval = "" if math.isnan(item.low) else f" [{item.low:.0%}, {item.high:.0%}]"
    return f"{item.share:.0%}{interval}"


def gain_table(gains: Sequence[MultiTaskGain]) -> str:
    """Delta_m by row."""
    lines = []
    for item in gains:
        spread = "" if math.isnan(item.deviation) else f" ± {item.deviation:.1f}"
        interval = "" if math.isnan(item.low) else f" [{item.low:.1f}, {item.high:.1f}]"
        lines.append([item.row, str(item.seeds), f"{item.delta_m:+.1f}{spread}{interval}"])
    return markdown_table(["Delta_m % (mean relative gain over single-task rows)", "seeds", "mean ± sd"], lines)


def markdown_table(heads: Sequence[str], lines: Sequence[Sequence[str]]) -> str:
    """Aligned, so that it reads well on a screen too."""
    cells = [list(heads), *(list(line) for line in lines)]
    widths = [max(len(line[column]) for line in cells) for column in range(len(heads))]
    shown = [
        "| " + " | ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)) + " |" for line in cells
    ]
    rule = "|" + "|".join("-" * (width + 2) for width in widths) + "|"
    return "\n".join([shown[0], rule, *shown[1:]])
