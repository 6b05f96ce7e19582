"""Surfaces of several runs side by side: each with its own loss on a scale of its own, and all with one yardstick."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from shared.draw.look import save, subplots, titled
from shared.observatory.draw_surface import contour_levels
from shared.observatory.metric import DICE_ERROR
from shared.observatory.surface import Surface

YARDSTICK_LEVELS = np.linspace(0, 1, 21)


def draw_atlas(surfaces: Mapping[str, Sequence[Surface]], path: str | Path, *, phantom: bool = False) -> Path:
    """A row per run, two columns per plane: the loss that the run was trained with, then ``1 - Dice``.

    Args:
        surfaces: by run, one per random plane, the same seeds in the same order; each has the run's own loss first and
            ``1 - Dice`` last.
        path: picture to write.
        phantom: whether the runs saw phantoms.
    """
    planes = len(next(iter(surfaces.values())))
    figure, axes = subplots(len(surfaces), 2 * planes, width=3.5 * planes + 1.2, height=1.6 * len(surfaces) + 1.3)
    shown: Any = None
    for row, (label, own) in zip(axes, surfaces.items(), strict=True):
        for plane, surface in enumerate(own):
            first, second = row[2 * plane : 2 * plane + 2]
            trained = surface.names[0]
            values_AB = np.ma.masked_invalid(surface.values(trained))
            if values_AB.count() and np.ptp(values_AB.compressed()) > 0:
                levels, norm = contour_levels(values_AB.compressed())
                first.contourf(
                    surface.alpha_A, surface.beta_B, values_AB.T, levels, norm=norm, cmap="viridis", extend="max"
                )
            first.set_title(f"{surface.centre[trained]:.3g} to {values_AB.max():.3g}", fontsize=8)
            shown = second.contourf(
                surface.alpha_A, surface.beta_B, surface.values(DICE_ERROR).T, YARDSTICK_LEVELS, cmap="cividis"
            )
            second.set_title(f"{DICE_ERROR}, centre {surface.centre[DICE_ERROR]:.2f}", fontsize=8)
            for axis in (first, second):
                axis.grid(False)
                axis.set(aspect="equal", xticks=[], yticks=[])
                axis.plot(0, 0, "*", color="white", markeredgecolor="black", markersize=8)
        row[0].set_ylabel(label, fontsize=8.5)
    for plane in range(planes):
        axes[-1, 2 * plane].set_xlabel(f"plane {plane}: its own loss", fontsize=8.5)
        axes[-1, 2 * plane + 1].set_xlabel(f"plane {plane}: {DICE_ERROR}", fontsize=8.5)
    figure.colorbar(shown, ax=axes, label=f"{DICE_ERROR}, one scale for all", shrink=0.5, pad=0.01)
    extent = float(next(iter(surfaces.values()))[0].alpha_A[-1])
    figure.suptitle(
        titled("Runs around their last weights, random filter-normalised planes", phantom=phantom)
        + f"\nup to {extent:g} filter lengths each way; titles: centre to largest; own losses have scales of their "
        "own: which looks steeper says nothing",
        fontsize=10.5,
    )
    return save(figure, path)
