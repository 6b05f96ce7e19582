"""The study as a picture: every seed a dot, means with intervals."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np

from shared.draw.look import LINES, save, subplots, titled
from shared.metrics.bootstrap import mean_of_defined
from shared.study.collect import Results
from shared.study.compare import Summary
from shared.study.metric import Metric
from shared.study.notes import FEWEST_SEEDS
from shared.study.table import Tables


def draw_study(results: Results, tables: Tables, path: Path) -> Path | None:
    """Draw every metric: against a factor where the study names one for the axis, else one line per row.

    Returns:
        the picture; None where no run is finished.
    """
    metrics = [metric for metric in results.study.metrics if any(s.metric == metric.name for s in tables.summaries)]
    if not metrics:
        return None
    x = results.study.content.get("plot", {}).get("x")
    rows = len(results.study.rows)
    height = 4.2 if x else 1.6 + 0.42 * rows
    columns = min(2, len(metrics))
    lines = -(-len(metrics) // columns)
    figure, axes = subplots(lines, columns, width=7.2 * columns, height=height * lines + 0.6)
    for axis, metric in zip(axes.flat, metrics, strict=False):
        summaries = {item.row: item for item in tables.summaries if item.metric == metric.name}
        if x:
            _draw_against(axis, results, metric, summaries, x)
        else:
            _draw_rows(axis, results, metric, summaries)
    for axis in axes.flat[len(metrics) :]:
        axis.set_axis_off()
    few = len(results.study.seeds) < FEWEST_SEEDS
    about = f"{len(results.study.seeds)} seeds" + (", settles nothing" if few else "")
    figure.suptitle(
        titled(f"{results.study.title} ({about})", phantom=results.phantom)
        + "\ndots: seeds; diamonds: mean with 95 % interval",
        fontsize=11.5,
    )
    return save(figure, path)


def _draw_rows(axis: Any, results: Results, metric: Metric, summaries: dict[str, Summary]) -> None:
    shown = [row for row in results.study.rows if row.label in summaries]
    scale = 100.0 if metric.percent else 1.0
    controls = {control.label for row in shown if (control := results.study.control_of(row, metric)) is not None}
    for position, row in enumerate(shown):
        colour = "#444444" if row.label in controls else LINES[0]
        _draw_point(axis, results, metric, summaries[row.label], position, scale=scale, colour=colour, upright=False)
    axis.set_yticks(range(len(shown)), [row.label for row in shown])
    axis.set_ylim(len(shown) - 0.5, -0.5)
    axis.set_xlabel(_axis_label(metric))
    if len(controls) == 1 and (label := next(iter(controls))) in summaries:
        axis.axvline(summaries[label].mean * scale, color="#444444", linewidth=1, linestyle=":")


def _draw_against(axis: Any, results: Results, metric: Metric, summaries: dict[str, Summary], x: str) -> None:
    scale = 100.0 if metric.percent else 1.0
    levels = [level.label for level in results.study.factors[x]]
    lines: dict[str, list[tuple[int, Summary]]] = {}
    for row in results.study.rows:
        if row.label in summaries:
            others = [label for factor, label in row.levels.items() if factor != x]
            name = ", ".join(others) or row.label
            # A row outside the factors is drawn across the axis.
            lines.setdefault(name, []).append((levels.index(row.levels[x]) if row.levels else -1, summaries[row.label]))
    for number, (name, points) in enumerate(lines.items()):
        colour, shift = LINES[number % len(LINES)], (number - (len(lines) - 1) / 2) * 0.12
        if points[0][0] < 0:
            axis.axhline(points[0][1].mean * scale, color=colour, linestyle="--", label=name)
            continue
        at = [position + shift for position, _ in points]
        axis.plot(at, [item.mean * scale for _, item in points], color=colour, linewidth=1.6, label=name)
        for place, (_, item) in zip(at, points, strict=True):
            _draw_point(axis, results, metric, item, place, scale=scale, colour=colour, upright=True)
    axis.set_xticks(range(len(levels)), levels)
    axis.set_xlim(-0.5, len(levels) - 0.5)
    axis.set(xlabel=x, ylabel=_axis_label(metric))
    axis.legend(fontsize=8.5)


def _draw_point(
    axis: Any, results: Results, metric: Metric, item: Summary, at: float, *, scale: float, colour: str, upright: bool
) -> None:
    seeds_S = mean_of_defined(results.values(results.study.row(item.row), metric.name), 1) * scale
    seeds_S = seeds_S[~np.isnan(seeds_S)]
    # Beside the mean: the interval of few seeds ends on them.
    places_S = np.full(len(seeds_S), at + (0.05 if upright else 0.2))
    first, second = (places_S, seeds_S) if upright else (seeds_S, places_S)
    axis.plot(first, second, "o", color=colour, alpha=0.35, markersize=4.5, markeredgewidth=0)
    if not math.isnan(item.low):
        ends, same = [item.low * scale, item.high * scale], [at, at]
        axis.plot(*((same, ends) if upright else (ends, same)), color=colour, linewidth=2)
    mean = item.mean * scale
    axis.plot(*((at, mean) if upright else (mean, at)), "D", color=colour, markersize=6.5, markeredgecolor="white")


def _axis_label(metric: Metric) -> str:
    return metric.name + (" %" if metric.percent else "") + ("" if metric.larger_is_better else " (smaller is better)")
