"""Matrices: confusion of grades, use of experts, routing of photographs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from shared.draw.look import save, subplots, titled

MANY, CELL_INCHES = 12, 0.36


def draw_confusion_matrices(
    confusions: Mapping[str, npt.NDArray],
    path: str | Path,
    *,
    title: str = "Grades",
    subtitles: Mapping[str, str] | None = None,
    classes: Mapping[str, Sequence[str]] | None = None,
    phantom: bool = False,
) -> Path:
    """Side by side, photographs by true (row) and predicted (column) grade: counts, shaded by the share of the row.

    Args:
        confusions: [K, K] by task.
        path: picture to write.
        subtitles: by task.
        classes: names by task, where there are any; grades have numbers.
    """
    side = max(5.2, max(map(len, confusions.values())) * CELL_INCHES)
    figure, axes = subplots(1, len(confusions), width=max(8.0, side * len(confusions)), height=side + 0.2)
    for axis, (name, confusion) in zip(axes.flat, confusions.items(), strict=True):
        rows = confusion.sum(1, keepdims=True)
        share = np.divide(confusion, rows, out=np.zeros(confusion.shape), where=rows > 0)
        many = len(confusion) > MANY
        _heat(axis, share, [["" if many and not count else str(int(count)) for count in row] for row in confusion])
        grades, names = range(len(confusion)), (classes or {}).get(name, ())
        kind, labels = ("class", list(names)) if names else ("grade", [str(grade) for grade in grades])
        axis.set(xticks=grades, yticks=grades, xlabel=f"predicted {kind}", ylabel=f"true {kind}")
        axis.set_xticklabels(labels, rotation=90 if many else 0)
        axis.set_yticklabels([f"{label}  (n={int(count)})" for label, count in zip(labels, rows.ravel(), strict=True)])
        axis.set_title("\n".join(part for part in (name, (subtitles or {}).get(name, "")) if part))
    figure.suptitle(titled(title, phantom=phantom))
    return save(figure, path)


def draw_expert_use(
    share_TE: npt.NDArray,
    weight_TE: npt.NDArray,
    path: str | Path,
    *,
    tasks: Sequence[str],
    title: str = "Expert use",
    phantom: bool = False,
) -> Path:
    """Tasks by experts: share of photographs that used each expert (shade, per cent) and its mean gate weight."""
    experts = share_TE.shape[1]
    figure, axes = subplots(1, 1, width=max(8.0, 2.2 + 1.5 * experts), height=1.9 + 0.55 * len(tasks))
    texts = [
        ["-" if np.isnan(share) else f"{share:.0%}  w {weight:.2f}" for share, weight in zip(*row, strict=True)]
        for row in zip(share_TE, weight_TE, strict=True)
    ]
    axis = axes[0, 0]
    image = _heat(axis, np.nan_to_num(share_TE), texts)
    axis.set(xticks=range(experts), yticks=range(len(tasks)), xlabel="expert")
    mean = np.nansum(share_TE, 1)
    axis.set_yticklabels([f"{task}  ({count:.2f} per photograph)" for task, count in zip(tasks, mean, strict=True)])
    axis.set_title(titled(title, phantom=phantom))
    figure.colorbar(image, ax=axis, label="share of photographs")
    return save(figure, path)


def draw_routing(
    weights_NTE: npt.NDArray,
    path: str | Path,
    *,
    tasks: Sequence[str],
    names: Sequence[str],
    title: str = "Which expert served which photograph",
    phantom: bool = False,
    most: int = 60,
) -> Path:
    """Photographs (rows) by experts (columns, grouped by task): the gate's weight, white where it did not run.

    At most ``most`` photographs, spread evenly over the list; the title says how many of how many.
    """
    chosen = np.unique(np.linspace(0, len(names) - 1, min(most, len(names))).round().astype(int))
    experts = weights_NTE.shape[2]
    flat = weights_NTE[chosen].reshape(len(chosen), -1)
    figure, axes = subplots(1, 1, width=max(8.0, 3.2 + 0.32 * flat.shape[1]), height=1.9 + 0.2 * max(6, len(chosen)))
    axis = axes[0, 0]
    image = axis.imshow(np.ma.masked_equal(flat, 0), cmap="viridis", vmin=0, vmax=1, aspect="auto")
    for boundary in range(1, len(tasks)):
        axis.axvline(boundary * experts - 0.5, color="black", linewidth=1.5)
    axis.grid(False)
    axis.set_xticks(range(flat.shape[1]), [str(column % experts) for column in range(flat.shape[1])])
    axis.set_xlabel("expert")
    upper = axis.secondary_xaxis("top")
    upper.set_xticks([(position + 0.5) * experts - 0.5 for position in range(len(tasks))], list(tasks))
    upper.tick_params(length=0)
    axis.set_yticks(range(len(chosen)), [names[row][-28:] for row in chosen], fontsize=8)
    count = f"{len(chosen)} of {len(names)} photographs" if len(chosen) < len(names) else f"{len(names)} photographs"
    axis.set_title(titled(f"{title} ({count})", phantom=phantom), pad=24)
    figure.colorbar(image, ax=axis, label="gate weight (blank: did not run)")
    return save(figure, path)


def _heat(axis: Any, share: npt.NDArray, texts: Sequence[Sequence[str]]) -> Any:
    image = axis.imshow(share, cmap="Blues", vmin=0, vmax=1, aspect="auto")
    axis.grid(False)
    for row, line in enumerate(texts):
        for column, text in enumerate(line):
            if not text:
                continue
            axis.text(
                column, row, text, ha="center", va="center", color="white" if share[row, column] > 0.55 else "black"
            )
    return image
