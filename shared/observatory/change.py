"""How far each layer moved between snapshots."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from shared.draw.look import save, subplots, titled
from shared.errors import DataError
from shared.observatory.plane import Weights
from shared.report.files import write_csv

Array = npt.NDArray[np.float64]


class WeightChange(NamedTuple):
    """Change of parameters P between neighbouring snapshots N.

    ``length_PN`` is ``|w(n+1) - w(n)|``; ``relative_PN`` divides it by ``|w(n)|``, NaN where that is 0, as for new
    biases.
    """

    names: Sequence[str]
    epochs: Sequence[int]
    length_PN: Array
    relative_PN: Array


def weight_change(snapshots: Sequence[Weights], *, epochs: Sequence[int]) -> WeightChange:
    """Change of each parameter from every snapshot to the next.

    Args:
        snapshots: parameters by name, in order, at least two.
        epochs: of each snapshot.

    Raises:
        DataError: fewer than two snapshots, or of several networks.
    """
    if len(snapshots) < 2 or any(item.keys() != snapshots[0].keys() for item in snapshots):
        raise DataError(
            f"{len(snapshots)} snapshots, or of several networks",
            expected="at least two of one network",
            fix="train for longer with shared.observatory.SnapshotSaver",
        )
    names = list(snapshots[0])
    norms_PN = np.array([[float(item[name].double().norm()) for item in snapshots] for name in names])
    length_PN = np.array(
        [
            [float((new[name].double() - old[name].double()).norm()) for old, new in pairwise(snapshots)]
            for name in names
        ]
    )
    before_PN = norms_PN[:, :-1]
    relative_PN = np.divide(length_PN, before_PN, out=np.full_like(length_PN, np.nan), where=before_PN > 0)
    return WeightChange(names, list(epochs), length_PN, relative_PN)


def draw_weight_change(change: WeightChange, path: str | Path, *, phantom: bool = False) -> Path:
    """Parameters (rows, input first) by epochs (columns), relative change as colour on a logarithmic scale."""
    from matplotlib.colors import LogNorm

    rows, columns = change.relative_PN.shape
    figure, axes = subplots(1, 1, width=min(16.0, 6.5 + 0.35 * columns), height=1.8 + 0.2 * max(6, rows))
    axis = axes[0, 0]
    positive = change.relative_PN[np.isfinite(change.relative_PN) & (change.relative_PN > 0)]
    shown = np.ma.masked_where(~(change.relative_PN > 0), change.relative_PN)
    norm = LogNorm(positive.min(), positive.max()) if len(positive) and np.ptp(positive) > 0 else None
    image = axis.imshow(shown, cmap="viridis", norm=norm, aspect="auto", interpolation="nearest")
    axis.grid(False)
    axis.set_yticks(range(rows), [name[-40:] for name in change.names], fontsize=6.5)
    axis.set_xticks(range(columns), [str(epoch) for epoch in change.epochs[1:]], fontsize=7.5)
    title = titled("Weight change since the snapshot before", phantom=phantom)
    axis.set(xlabel="epoch", title=f"{title}\n|w' - w| / |w|; blank: w was 0, or still")
    figure.colorbar(image, ax=axis)
    return save(figure, path)


def write_weight_change(change: WeightChange, path: str | Path) -> Path:
    """CSV: parameter, from epoch, to epoch, length, relative."""
    rows = [
        {"parameter": name, "from": start, "to": end, "length": length, "relative": relative}
        for name, length_N, relative_N in zip(change.names, change.length_PN, change.relative_PN, strict=True)
        for start, end, length, relative in zip(
            change.epochs[:-1], change.epochs[1:], length_N, relative_N, strict=True
        )
    ]
    return write_csv(path, rows, ["parameter", "from", "to", "length", "relative"])
