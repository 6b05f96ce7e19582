"""Reliability diagrams: how often what was said with some confidence is right."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from shared.draw.look import line_colour_of, save, subplots, titled
from shared.metrics.calibration import Reliability
from shared.report.table import number


def draw_reliability(
    reliabilities: Mapping[str, Reliability],
    path: str | Path,
    *,
    errors: Mapping[str, float],
    title: str = "Reliability",
    phantom: bool = False,
) -> Path:
    """Side by side per task: share of right ones in every bin against its mean confidence; below, the bins' sizes.

    Args:
        reliabilities: pooled ``[M]``, by task.
        path: picture to write.
        errors: expected calibration error by task.
    """
    columns = len(reliabilities)
    figure, axes = subplots(2, columns, width=max(5.2, 4.4 * columns), height=6.0, height_ratios=[3, 1], sharex="col")
    for column, (name, (count_M, confidence_M, right_M)) in enumerate(reliabilities.items()):
        upper, lower = axes[:, column]
        edges = np.linspace(0, 1, len(count_M) + 1)
        some = count_M > 0
        colour = line_colour_of(name, column)
        share_M = np.divide(right_M, count_M, out=np.zeros(len(count_M)), where=some)
        mean_M = np.divide(confidence_M, count_M, out=np.zeros(len(count_M)), where=some)
        width = 1 / len(count_M)
        upper.bar(edges[:-1][some], share_M[some], width, align="edge", color=colour, alpha=0.35, edgecolor="white")
        upper.plot(mean_M[some], share_M[some], "o-", color=colour, markersize=5)
        upper.plot([0, 1], [0, 1], color="black", linewidth=1, linestyle="--")
        upper.set(xlim=(0, 1), ylim=(0, 1.02), ylabel="share of right ones" if not column else "")
        upper.set_title(f"{name}\nECE {number(errors[name])}, {len(count_M)} bins")
        lower.bar(edges[:-1], count_M / max(1, count_M.sum()), width, align="edge", color="#888888", edgecolor="white")
        lower.set(xlabel="confidence", ylim=(0, 1), ylabel="share of all" if not column else "")
    figure.suptitle(titled(title, phantom=phantom))
    return save(figure, path)
