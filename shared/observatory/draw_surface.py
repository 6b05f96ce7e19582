"""Contours of losses over a plane, with the path of training."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from shared.draw.look import save, subplots
from shared.observatory.surface import Surface

Array = npt.NDArray[np.float64]
LEVELS = 24
DECADES = 30.0
# Told apart from each other and from viridis.
TRACKS = ("#ff2d2d", "#ffffff", "#ff9a3c", "#f03cf0", "#000000", "#ffe119", "#a0522d", "#9ad7ff")
HIGHEST = 90  # per cent of the grid that is told apart; above it is one colour


def draw_surface(
    surface: Surface, path: str | Path, *, tracks: Mapping[str, Array] | None = None, note: str = ""
) -> Path:
    """One panel of filled contours per loss, each with a scale of its own, logarithmic where the values span decades.

    Args:
        surface: complete or not; what is not computed, and infinite values, stay blank.
        path: picture to write.
        tracks: by run, coordinates [N, 2] of its snapshots, oldest first, drawn as a line that ends in a star.
        note: under the title, such as the plane's explained variance.
    """
    columns = min(3, len(surface.names))
    rows = -(-len(surface.names) // columns)
    figure, axes = subplots(rows, columns, width=max(6.5, 4.6 * columns), height=4.0 * rows + 1.2)
    for axis, name in zip(axes.flat, surface.names, strict=False):
        values_AB = np.ma.masked_invalid(surface.values(name))
        axis.grid(False)
        if values_AB.count() and np.ptp(values_AB.compressed()) > 0:
            finite = values_AB.compressed()
            levels, norm = contour_levels(finite)
            shown = axis.contourf(
                surface.alpha_A, surface.beta_B, values_AB.T, levels, cmap="viridis", norm=norm, extend="max"
            )
            lines = axis.contour(
                surface.alpha_A, surface.beta_B, values_AB.T, levels[::4], colors="white", linewidths=0.6
            )
            axis.clabel(lines, fontsize=7, fmt="%.3g")
            figure.colorbar(shown, ax=axis, ticks=levels[::4], format="%.3g")
        draw_tracks(axis, tracks or {})
        edge = 1.02 * surface.alpha_A[-1]
        axis.set(title=name, aspect="equal", xlabel="first direction", ylabel="second direction")
        axis.set(xlim=(-edge, edge), ylim=(-edge, edge))
    for axis in axes.flat[len(surface.names) :]:
        axis.set_axis_off()
    scale = "each loss has its own scale: how steep one looks beside another says nothing" * (len(surface.names) > 1)
    if len(tracks or {}) > 1:
        figure.legend(
            *axes.flat[0].get_legend_handles_labels(),
            loc="outside lower center",
            ncols=4,
            fontsize=9,
            facecolor="#9aa0a6",
            frameon=True,
        )
    figure.suptitle("\n".join(part for part in (surface.title, note, scale) if part), fontsize=11.5)
    return save(figure, path)


def draw_tracks(axis: Any, tracks: Mapping[str, Array]) -> None:
    """Each run's path with a star at its end; without any, a star at the centre."""
    for place, (name, track_N2) in enumerate(tracks.items()):
        colour = track_colour(place, len(tracks))
        axis.plot(*track_N2.T, "o-", color=colour, markersize=3, linewidth=1.3, label=name)
        axis.plot(*track_N2[-1], "*", color=colour, markeredgecolor="black", markersize=13)
    if not tracks:
        axis.plot(0, 0, "*", color="white", markeredgecolor="black", markersize=13)


def track_colour(place: int, count: int) -> str:
    """Colour of a path: red where it is alone."""
    return TRACKS[place % len(TRACKS)] if count > 1 else TRACKS[0]


def contour_levels(finite: Array) -> tuple[Array, Any]:
    """Contour levels and the colours' scale: logarithmic where the values span decades."""
    from matplotlib.colors import LogNorm, Normalize

    low, high, logarithmic = colour_range(finite)
    if logarithmic:
        return np.geomspace(low, high, LEVELS), LogNorm(low, high)
    return np.linspace(low, high, LEVELS), Normalize(low, high)


def colour_range(finite: Array) -> tuple[float, float, bool]:
    """The values that are told apart by colour, lowest and highest, and whether logarithmically."""
    low, high = float(finite.min()), float(np.percentile(finite, HIGHEST))
    high = high if high > low else float(finite.max())
    return low, high, low > 0 and high / low > DECADES


def heights(surface: Surface, track_N2: Array) -> Mapping[str, Array]:
    """Each loss of the grid at points of the plane [N, 2], bilinear; NaN outside."""
    found = {}
    for name in surface.names:
        values_AB = surface.values(name)
        rows = []
        for alpha, beta in track_N2:
            a = float(np.interp(alpha, surface.alpha_A, np.arange(len(surface.alpha_A)), left=np.nan, right=np.nan))
            b = float(np.interp(beta, surface.beta_B, np.arange(len(surface.beta_B)), left=np.nan, right=np.nan))
            rows.append(np.nan if np.isnan(a + b) else _bilinear(values_AB, a, b))
        found[name] = np.array(rows)
    return found


def _bilinear(values_AB: Array, a: float, b: float) -> float:
    low_a, low_b = (min(int(place), size - 2) for place, size in zip((a, b), values_AB.shape, strict=True))
    da, db = a - low_a, b - low_b
    corner = values_AB[low_a : low_a + 2, low_b : low_b + 2]
    return float(np.array([1 - da, da]) @ corner @ np.array([1 - db, db]))
