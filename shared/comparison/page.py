"""Recorded runs beside each other as one HTML file that needs no network."""

from __future__ import annotations

import html
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from shared.comparison.curves import Curve, Standing
from shared.comparison.draw import style_of
from shared.comparison.records import Comparison
from shared.comparison.tables import difference_rows, run_rows, standing_rows
from shared.draw.look import PHANTOM
from shared.draw.plotly import graph_objects
from shared.files import write_text

DASHES = {"-": "solid", "--": "dash", ":": "dot", "-.": "dashdot"}
COLUMNS = 3
PANEL = 270  # pixels
STYLE = """body {font-family: sans-serif; margin: 1.5em; color: #222}
table {border-collapse: collapse; font-size: 0.82em; margin: 0.6em 0 1.2em}
th, td {border-bottom: 1px solid #ddd; padding: 0.25em 0.7em; text-align: left; white-space: nowrap}
.wide {overflow-x: auto} .phantom {color: #b00020; font-weight: bold} p {max-width: 60em}"""
READING = (
    "Means over photographs and seeds. [ ] and bands: 95 % bootstrap intervals; seeds and photographs are resampled "
    "independently of each other. A few seeds say little about other seeds. accuracy of a class: share of its true "
    "pixels that are found; confidence of a class: mean probability that its true pixels are given. p: two-sided test "
    "of the paired difference with seeds and photographs random, Holm's correction over the runs of a measure; none "
    "with one seed."
)


def write_page(
    comparison: Comparison, curves: Sequence[Curve], standings: Sequence[Standing], path: str | Path, *, epoch: str
) -> Path:
    """Write tables and curves of all parts; 5 MB of the page are plotly. A click on a name shows or hides its curves.

    Args:
        comparison: of runs.
        curves, standings: of it.
        path: `.html` to write.
        epoch: which epoch the tables are of, in words.

    Raises:
        ConfigError: plotly is not installed.
    """
    phantom = f'<p class="phantom">{PHANTOM}: drawn by a program; no result on eyes</p>' if comparison.phantom else ""
    parts = [f"<h1>Runs compared</h1>{phantom}<p>{html.escape(READING)}</p>"]
    script: bool | str = True
    for part in comparison.parts:
        measures = comparison.measures
        names = [name.replace("_", " ") for name in measures]
        count = len(comparison.photographs[part])
        parts.append(f"<h2>{html.escape(part)}: {count} photographs</h2>")
        figure = curve_figure(comparison, curves, part=part)
        parts.append(
            figure.to_html(
                full_html=False, include_plotlyjs=script, div_id=f"curves-{part}", config={"displaylogo": False}
            )
        )
        script = False
        parts.append(f"<h3>{html.escape(epoch)} epoch of each run</h3>")
        rows = standing_rows(standings, part=part, measures=measures)
        parts.append(table(["run", "seeds", "photographs", *names], rows))
        if len(comparison.groups) > 1:
            parts.append(f"<h3>less {html.escape(comparison.groups[0].label)}</h3>")
            parts.append(table(["run", *names], difference_rows(standings, part=part, measures=measures)))
    runs = run_rows(comparison)
    parts.append("<h2>Where this comes from</h2>")
    parts.append(table(list(runs[0]), [["" if cell is None else str(cell) for cell in row.values()] for row in runs]))
    head = (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>Runs compared</title><style>{STYLE}</style>'
    )
    return write_text(path, f"{head}</head><body>{''.join(parts)}</body></html>\n")


def table(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """An HTML table; texts are escaped."""
    lines = ["".join(f"<th>{html.escape(cell)}</th>" for cell in heads)]
    lines += ["".join(f"<td>{html.escape(cell)}</td>" for cell in row) for row in rows]
    return f'<div class="wide"><table>{"".join(f"<tr>{line}</tr>" for line in lines)}</table></div>'


def curve_figure(comparison: Comparison, curves: Sequence[Curve], *, part: str) -> Any:
    """A panel per measure; each group has one line in the legend, its band goes with it."""
    go = graph_objects()
    from plotly.subplots import make_subplots

    measures, columns = comparison.measures, min(COLUMNS, len(comparison.measures))
    rows = -(-len(measures) // columns)
    titles = [name.replace("_", " ") for name in measures]
    figure = make_subplots(rows=rows, cols=columns, subplot_titles=titles, vertical_spacing=0.45 / (rows + 1))
    places = {group.label: place for place, group in enumerate(comparison.groups)}
    for curve in curves:
        if curve.part != part:
            continue
        position, panel = places[curve.group], list(measures).index(curve.measure)
        where = {"row": panel // columns + 1, "col": panel % columns + 1}
        colour, line = style_of(position)
        known = ~np.isnan(curve.mean_E)
        epochs = np.asarray(comparison.epochs)[known]
        shared = {"legendgroup": str(position), "name": curve.group}
        look = {"color": colour, "dash": DASHES[line], "width": 2}
        drawn = go.Scatter(
            x=epochs.tolist(), y=curve.mean_E[known].tolist(), line=look, showlegend=panel == 0, **shared
        )
        band = go.Scatter(
            x=[*epochs.tolist(), *epochs[::-1].tolist()],
            y=[*curve.high_E[known].tolist(), *curve.low_E[known][::-1].tolist()],
            fill="toself",
            fillcolor=colour,
            opacity=0.12,
            line={"width": 0},
            hoverinfo="skip",
            showlegend=False,
            mode="lines",
            **shared,
        )
        if np.isfinite(curve.low_E[known]).all():
            figure.add_trace(band, **where)
        figure.add_trace(drawn, **where)
    figure.update_yaxes(range=[-0.02, 1.02])
    figure.update_xaxes(title_text="epoch")
    figure.update_layout(
        height=PANEL * rows + 120, template="plotly_white", legend={"orientation": "h", "y": -0.12}, margin={"t": 40}
    )
    return figure
