"""Prediction against truth, as in published figures."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from shared.draw.look import FALSE_ALARM, HIT, MISS, Photograph, blank, colour_of, save, titled
from shared.draw.overlay import fitted_size, paint_errors, paint_masks, shrink_mask, shrink_photograph


class Comparison(NamedTuple):
    """A photograph [H, W, 3] with predicted and true masks [H, W] by task name (only labelled tasks)."""

    name: str
    photo_HW3: Photograph
    predicted: Mapping[str, npt.NDArray[np.bool_]]
    truth: Mapping[str, npt.NDArray[np.bool_]]
    caption: str = ""

    def shrunk(self, longest: int) -> Comparison:
        """A copy for showing, longer side at most ``longest`` pixels, cut to the lit part of the photograph."""
        size = fitted_size((self.photo_HW3.shape[0], self.photo_HW3.shape[1]), longest)
        photo_HW3 = shrink_photograph(self.photo_HW3, size)
        lit = photo_HW3.max(-1) > 20
        window = (_span(lit.any(1)), _span(lit.any(0)))
        return self._replace(
            photo_HW3=photo_HW3[window].copy(),
            predicted={name: shrink_mask(mask, size)[window].copy() for name, mask in self.predicted.items()},
            truth={name: shrink_mask(mask, size)[window].copy() for name, mask in self.truth.items()},
        )


def draw_comparison(
    comparison: Comparison,
    path: str | Path,
    *,
    scores: Mapping[str, str] | None = None,
    zoom: bool = True,
    phantom: bool = False,
) -> Path:
    """Photograph, truth and prediction side by side; below, per task, hit, miss and false alarm, full and zoomed.

    Args:
        comparison: the photograph and its masks.
        path: picture to write.
        scores: text by task name for its panel's title, such as "Dice 0.61".
        zoom: show the densest part of each mask enlarged; without, for objects that fill the picture.
    """
    from matplotlib.patches import Patch

    names = list(comparison.truth)
    photo_HW3 = comparison.photo_HW3
    aspect = photo_HW3.shape[0] / photo_HW3.shape[1]
    upper_height, lower_height, zoom_height = 12 / 3 * aspect, 12 / len(names) * aspect, 12 / len(names) * zoom
    figure = blank(width=12, height=upper_height + lower_height + zoom_height + 1.6)
    parts: Any = figure.subfigures(2, 1, height_ratios=[upper_height + 0.4, lower_height + zoom_height + 0.5])
    pictures = {
        "photograph": photo_HW3,
        "truth": paint_masks(photo_HW3, comparison.truth, names=names),
        "prediction": paint_masks(photo_HW3, comparison.predicted, names=names),
    }
    for axis, (label, picture) in zip(parts[0].subplots(1, 3), pictures.items(), strict=True):
        _show(axis, picture, label)
    heights = [lower_height, zoom_height] if zoom else [lower_height]
    below = parts[1].subplots(len(heights), len(names), squeeze=False, height_ratios=heights)
    for column, name in enumerate(names):
        predicted, truth = comparison.predicted[name], comparison.truth[name]
        whole = paint_errors(photo_HW3, predicted, truth)
        _show(below[0, column], whole, f"{name}  {(scores or {}).get(name, '')}")
        if not zoom:
            continue
        window = _densest(truth | predicted, photo_HW3.shape[1] // 5)
        _show(below[1, column], paint_errors(photo_HW3, predicted, truth, dim=0.8)[window], "")
        top, left = window[0].start, window[1].start
        _frame(below[0, column], left, top, window[1].stop - left, window[0].stop - top)
    masks = [Patch(facecolor=colour_of(name, names), label=name) for name in names]
    errors = ((HIT, "hit"), (MISS, "miss"), (FALSE_ALARM, "false alarm"))
    marks = [Patch(facecolor=colour, edgecolor="grey", label=label) for colour, label in errors]
    parts[0].legend(handles=masks, loc="outside lower center", ncols=len(masks))
    parts[1].legend(handles=marks, loc="outside lower center", ncols=len(marks))
    text = f"{comparison.name}   {comparison.caption}".strip()
    figure.suptitle(titled(text, phantom=phantom))
    return save(figure, path)


def _show(axis: Any, picture: Photograph, label: str) -> None:
    axis.imshow(picture, interpolation="nearest" if max(picture.shape) < 400 else "antialiased")
    axis.set_axis_off()
    axis.set_title(label)


def _frame(axis: Any, x: float, y: float, width: float, height: float) -> None:
    from matplotlib.patches import Rectangle

    axis.add_patch(Rectangle((x - 0.5, y - 0.5), width, height, fill=False, color="white", linewidth=0.8))


def _span(lit: npt.NDArray[np.bool_]) -> slice:
    places = np.flatnonzero(lit)
    return slice(int(places[0]), int(places[-1]) + 1) if len(places) else slice(0, len(lit))


def _densest(mask_HW: npt.NDArray[np.bool_], side: int) -> tuple[slice, slice]:
    """The window of ``side`` pixels that holds most of the mask; the middle where it is empty."""
    from scipy.ndimage import uniform_filter

    height, width = mask_HW.shape
    side = max(2, min(side, height, width))
    row, column = height // 2, width // 2
    if mask_HW.any():
        density = uniform_filter(mask_HW.astype(np.float32), side, mode="constant")
        peak = np.unravel_index(int(density.argmax()), density.shape)
        inside = np.zeros_like(mask_HW)
        inside[_place(int(peak[0]), int(peak[1]), side, mask_HW.shape)] = True
        row, column = (int(place) for place in np.argwhere(mask_HW & inside).mean(0).round())
    return _place(row, column, side, mask_HW.shape)


def _place(row: int, column: int, side: int, shape: tuple[int, ...]) -> tuple[slice, slice]:
    top, left = (min(max(0, place - side // 2), size - side) for place, size in zip((row, column), shape, strict=True))
    return slice(top, top + side), slice(left, left + side)
