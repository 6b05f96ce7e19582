"""Curves: training histories and precision against recall."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from shared.draw.look import line_colour_of, save, subplots, titled
from shared.metrics.histogram import PrecisionRecall

OVERLAP, SCORES, WEIGHTS = "overlap: Dice, IoU", "grades and score", "weights of tasks"


def draw_training_curves(
    history: Sequence[Mapping[str, float]], path: str | Path, *, title: str = "Training", phantom: bool = False
) -> Path:
    """Losses, learning rates and metrics against the epoch.

    Args:
        history: one mapping per epoch with ``epoch`` and any numbers; a name with "loss" goes to the panel of losses,
            one with "lr" or "learning_rate" to that of learning rates, one that begins with "weight_" to that of tasks'
            weights, "Dice" or "IoU" to overlap, the rest to grades and scores. A value may be missing or NaN in some
            epochs.
        path: picture to write.
    """
    names = [name for name in dict.fromkeys(key for row in history for key in row) if name != "epoch"]
    panels: dict[str, list[str]] = {"loss": [], OVERLAP: [], SCORES: [], WEIGHTS: [], "learning rate": []}
    for name in names:
        panels[_panel(name)].append(name)
    shown = {label: lines for label, lines in panels.items() if lines} or {"nothing recorded": []}
    columns = min(2, len(shown))
    rows = -(-len(shown) // columns)
    figure, axes = subplots(rows, columns, width=5.8 * columns, height=3.6 * rows + 0.5)
    for axis, (label, lines) in zip(axes.flat, shown.items(), strict=False):
        for position, name in enumerate(lines):
            points = [(row["epoch"], row[name]) for row in history if name in row and row[name] is not None]
            main = name in ("loss", "score", "Dice_mean")
            axis.plot(
                *(np.asarray(points, float).T if points else ([], [])),
                label=name,
                color="#000000" if main else line_colour_of(name, position),
                linewidth=2.6 if main else 1.5,
                linestyle="--"
                if name.startswith(("kappa", "student_"))
                else ":"
                if name.startswith("teacher_")
                else "-",
                marker="o" if len(points) < 40 else None,
                markersize=3,
            )
        axis.set(title=label, xlabel="epoch")
        axis.xaxis.get_major_locator().set_params(integer=True)
        if label in ("loss", "learning rate") and _spans_decades(history, lines):
            axis.set_yscale("log")
        if label in (OVERLAP, SCORES):
            axis.set_ylim(min(0, axis.get_ylim()[0]), 1.02)
        if lines:
            axis.legend(fontsize=8.5, ncols=2 if len(lines) > 6 else 1, loc="center left", bbox_to_anchor=(1.0, 0.5))
    for axis in axes.flat[len(shown) :]:
        axis.set_axis_off()
    figure.suptitle(titled(title, phantom=phantom))
    return save(figure, path)


def draw_precision_recall(
    curves: Mapping[str, PrecisionRecall],
    path: str | Path,
    *,
    average_precision: Mapping[str, float],
    operating_points: Mapping[str, tuple[float, float]] | None = None,
    title: str = "Precision and recall, pixels pooled over photographs",
    phantom: bool = False,
) -> Path:
    """One curve per mask task, its exact average precision in the legend.

    Args:
        curves: points by task name.
        path: picture to write.
        average_precision: by task name.
        operating_points: (recall, precision) at the threshold in use, drawn as a dot.
    """
    figure, axes = subplots(1, 1, width=8, height=6)
    axis = axes[0, 0]
    for position, (name, curve) in enumerate(curves.items()):
        colour = line_colour_of(name, position)
        label = f"{name}  AP {average_precision[name]:.3f}"
        axis.plot(curve.recall, curve.precision, color=colour, linewidth=2, label=label)
        if operating_points and name in operating_points:
            axis.plot(*operating_points[name], "o", color=colour, markersize=8, markeredgecolor="black", zorder=5)
    axis.set(xlabel="recall (sensitivity)", ylabel="precision", xlim=(-0.01, 1.01), ylim=(-0.01, 1.02))
    axis.set_title(titled(title, phantom=phantom))
    axis.legend(loc="center left", bbox_to_anchor=(1.0, 0.5), title="dot: threshold in use" if operating_points else "")
    return save(figure, path)


def _panel(name: str) -> str:
    lower = name.lower()
    if "loss" in lower:
        return "loss"
    if lower == "lr" or lower.startswith("lr_") or "learning_rate" in lower:
        return "learning rate"
    if lower.startswith("weight_"):
        return WEIGHTS
    return OVERLAP if "dice" in lower or "iou" in lower else SCORES


def _spans_decades(history: Sequence[Mapping[str, float]], names: Sequence[str]) -> bool:
    values = [row[name] for row in history for name in names if row.get(name) is not None]
    values = [value for value in values if np.isfinite(value)]
    return bool(values) and min(values) > 0 and max(values) / min(values) > 50
