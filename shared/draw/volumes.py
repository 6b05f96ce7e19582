"""Whole volumes: scores per vendor and fluid, predicted against true volume, thickness seen from the front."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from shared.draw.look import LINES, line_colour_of, save, subplots, titled

Floats = npt.NDArray[np.float64]


def draw_score_boxes(
    scores: Mapping[str, Mapping[str, Mapping[str, Floats]]],
    path: str | Path,
    *,
    label: str = "Dice",
    title: str = "Dice of volumes",
    phantom: bool = False,
) -> Path:
    """One panel per fluid: a box with every volume's dot, per vendor and prediction.

    Args:
        scores: fluid -> vendor -> prediction -> ``[N]``; NaN (undefined) is left out and not counted in n.
        path: picture to write.
        label: of the axis, 0..1.
    """
    vendors = list(dict.fromkeys(vendor for by_vendor in scores.values() for vendor in by_vendor))
    predictions = list(dict.fromkeys(name for by in scores.values() for own in by.values() for name in own))
    share = 0.8 / max(1, len(predictions))
    width = 2.2 + max(1.4, 0.55 * len(predictions)) * len(vendors)
    figure, axes = subplots(1, len(scores), width=max(7.0, width * len(scores)), height=4.8, sharey=True)
    generator = np.random.default_rng(0)
    for axis, (fluid, by_vendor) in zip(axes.flat, scores.items(), strict=True):
        counts = []
        for place, vendor in enumerate(vendors):
            most = 0
            for position, prediction in enumerate(predictions):
                values_N = np.asarray(by_vendor.get(vendor, {}).get(prediction, []), np.float64)
                values_N = values_N[~np.isnan(values_N)]
                most = max(most, len(values_N))
                if not len(values_N):
                    continue
                colour = line_colour_of(fluid, 0) if len(predictions) == 1 else LINES[position % len(LINES)]
                x = place + (position - (len(predictions) - 1) / 2) * share
                box = axis.boxplot([values_N], positions=[x], widths=0.8 * share, showfliers=False, patch_artist=True)
                box["boxes"][0].set(facecolor=colour, alpha=0.3)
                box["medians"][0].set(color="black", linewidth=1.8)
                shift_N = generator.uniform(-0.22, 0.22, len(values_N)) * share
                axis.plot(x + shift_N, values_N, "o", color=colour, markersize=4, label=prediction)
            counts.append(most)
        axis.set_xticks(
            range(len(vendors)), [f"{name}\nn={count}" for name, count in zip(vendors, counts, strict=True)]
        )
        axis.set(title=fluid, xlim=(-0.6, len(vendors) - 0.4), ylim=(-0.03, 1.03))
    axes[0, 0].set_ylabel(label)
    _legend(figure, axes)
    figure.suptitle(titled(title, phantom=phantom))
    return save(figure, path)


def draw_volume_agreement(
    volumes: Mapping[str, Mapping[str, tuple[Floats, Floats]]],
    path: str | Path,
    *,
    unit: str,
    title: str = "Fluid volume, predicted against true",
    phantom: bool = False,
) -> Path:
    """One panel per fluid, a dot per volume.

    Args:
        volumes: fluid -> prediction -> (true, predicted), each ``[N]``.
        path: picture to write.
        unit: ``"mm^3"`` or ``"voxels"``, "" where the panels' names say it; where volumes differ much,
            scales are linear near 0 and logarithmic above.
    """
    shown = f" ({unit})".replace("mm^3", "mm\N{SUPERSCRIPT THREE}") if unit else ""
    figure, axes = subplots(1, len(volumes), width=max(7.0, 4.6 * len(volumes)), height=4.9)
    for axis, (fluid, by_prediction) in zip(axes.flat, volumes.items(), strict=True):
        pairs = np.concatenate([np.concatenate(pair) for pair in by_prediction.values()] or [np.zeros(0)])
        positive = pairs[pairs > 0]
        top = 1.25 * float(pairs.max(initial=0)) or 1.0
        linear = max(float(positive.min()), top / 300) if len(positive) else top
        logarithmic = top > 30 * linear
        axis.plot([0, top], [0, top], color="#999999", linewidth=1, zorder=0)
        for position, (prediction, (true_N, predicted_N)) in enumerate(by_prediction.items()):
            colour = line_colour_of(fluid, 0) if len(by_prediction) == 1 else LINES[position % len(LINES)]
            axis.plot(true_N, predicted_N, "o", color=colour, markersize=5, alpha=0.75, label=prediction)
        axis.set(title=fluid, xlabel=f"true{shown}", ylabel=f"predicted{shown}")
        if logarithmic:
            ticks = [0.0, *(10.0 ** np.arange(np.ceil(np.log10(2 * linear)), np.log10(top)))]
            axis.set_xscale("symlog", linthresh=linear)
            axis.set_yscale("symlog", linthresh=linear)
            axis.set(xticks=ticks, yticks=ticks)
        edge = linear / 4 if logarithmic else top / 30
        axis.set(xlim=(-edge, top), ylim=(-edge, top))
    _legend(figure, axes)
    figure.suptitle(titled(title, phantom=phantom))
    return save(figure, path)


def draw_thickness_map(
    thickness_NW: npt.NDArray,
    path: str | Path,
    *,
    extent_mm: tuple[float, float] | None,
    unit: str,
    title: str,
    phantom: bool = False,
) -> Path:
    """Fluid seen from the front: B-scans from top to bottom, thickness as colour, none in black.

    Args:
        thickness_NW: B-scans by A-scans.
        path: picture to write.
        extent_mm: width along a B-scan and height across B-scans, which give the picture its shape; ``None`` where
            unknown: then axes count A-scans and B-scans, and the picture is as high as wide.
        unit: of thickness.
    """
    slices, width = thickness_NW.shape
    along, across = extent_mm or (1.0, 1.0)
    ratio = float(np.clip(across / along, 0.2, 4.0))
    figure, axes = subplots(1, 1, width=7.4, height=5.4 * ratio + 1.2)
    axis = axes[0, 0]
    limits = (0, along, across, 0) if extent_mm else (-0.5, width - 0.5, slices - 0.5, -0.5)
    top = float(thickness_NW.max(initial=0)) or 1.0
    image = axis.imshow(
        thickness_NW, cmap="inferno", vmin=0, vmax=top, extent=limits, interpolation="nearest", aspect="auto"
    )
    axis.set_box_aspect(ratio)
    axis.grid(False)
    names = ("mm along the B-scans", "mm across, first B-scan on top") if extent_mm else ("A-scan", "B-scan")
    axis.set(xlabel=names[0], ylabel=names[1])
    axis.set_title(titled(title, phantom=phantom))
    figure.colorbar(image, ax=axis, label=f"thickness ({unit})", shrink=min(1.0, 0.8 * max(1.0, ratio)))
    return save(figure, path)


def _legend(figure: Any, axes: npt.NDArray) -> None:
    """One for all panels, where there is more than one prediction."""
    marks = {}
    for axis in axes.flat:
        for handle, label in zip(*axis.get_legend_handles_labels(), strict=True):
            marks[label] = handle
    if len(marks) > 1:
        figure.legend(list(marks.values()), list(marks), loc="outside lower center", ncols=len(marks))
