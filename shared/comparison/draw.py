"""Curves of recorded runs as a picture."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from shared.comparison.curves import Curve
from shared.comparison.records import Comparison
from shared.draw.look import LINES, save, subplots, titled

STYLES = ("-", "--", ":", "-.")


def style_of(position: int) -> tuple[str, str]:
    """Colour and line style of a group, told apart up to 32 groups."""
    return LINES[position % len(LINES)], STYLES[position // len(LINES) % len(STYLES)]


def draw_comparison(
    comparison: Comparison,
    found: Sequence[Curve],
    path: str | Path,
    *,
    part: str,
    measures: Sequence[str] = (),
    title: str = "Runs compared",
) -> Path:
    """A panel per measure: means over photographs and seeds against the epoch, 95 % intervals as bands.

    Args:
        comparison: of runs.
        found: its `curves`.
        path: picture to write.
        part: whose photographs.
        measures: which, in order; default all.
        title: above the number of photographs.
    """
    chosen = list(measures or comparison.measures)
    columns = min(3, len(chosen))
    rows = -(-len(chosen) // columns)
    figure, axes = subplots(rows, columns, width=3.7 * columns, height=2.5 * rows + 1.2)
    places = {group.label: place for place, group in enumerate(comparison.groups)}
    for axis, measure in zip(axes.flat, chosen, strict=False):
        for curve in found:
            if (curve.part, curve.measure) != (part, measure):
                continue
            colour, line = style_of(places[curve.group])
            known = ~np.isnan(curve.mean_E)
            epochs = np.asarray(comparison.epochs)[known]
            axis.fill_between(epochs, curve.low_E[known], curve.high_E[known], color=colour, alpha=0.12, linewidth=0)
            axis.plot(epochs, curve.mean_E[known], line, color=colour, linewidth=1.7, label=curve.group)
        axis.set(title=measure.replace("_", " "), xlabel="epoch", ylim=(-0.02, 1.02))
        axis.xaxis.get_major_locator().set_params(integer=True)
    for axis in axes.flat[len(chosen) :]:
        axis.set_axis_off()
    handles, labels = axes.flat[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=min(4, len(labels)), fontsize=9)
    count = len(comparison.photographs[part])
    about = f"{part}: {count} photographs; bands: 95 % bootstrap over photographs and seeds"
    figure.suptitle(f"{titled(title, phantom=comparison.phantom)}\n{about}")
    return save(figure, path)
