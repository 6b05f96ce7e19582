"""B-scans: the published figure of one scan with truth, predictions and a map per class; fluid painted on scans."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from shared.draw.look import Photograph, blank, colour_of, save, titled
from shared.draw.overlay import fitted_size, paint_masks, shrink_photograph

Bytes = npt.NDArray[np.uint8]
PANEL = 2.3
TALLEST = 1.25  # panels are no higher than that times their width: scans of many rows are squeezed for showing


class BScanPicture(NamedTuple):
    """A B-scan for showing, all of one size: the scan, the true class of each pixel, and by name of prediction the
    predicted class and every class's probability ``[K, h, w]`` as 0..255; ``scores`` is the text under that name."""

    name: str
    scan_HW: Bytes
    truth_HW: Bytes
    predicted: Mapping[str, Bytes]
    probabilities: Mapping[str, Bytes]
    scores: Mapping[str, str]
    caption: str = ""


def draw_bscan(picture: BScanPicture, path: str | Path, *, classes: Sequence[str], phantom: bool = False) -> Path:
    """A row per prediction: scan, truth, prediction, and one probability map for each class and the background.

    Args:
        picture: what to draw.
        path: picture to write.
        classes: names of classes 1..K-1.
    """
    from matplotlib.patches import Patch

    names = list(picture.predicted)
    names_shown = names if len(names) > 1 else ["prediction"]
    columns = 4 + len(classes)
    height = PANEL * min(TALLEST, picture.scan_HW.shape[0] / picture.scan_HW.shape[1])
    figure = blank(width=PANEL * columns, height=(height + 0.45) * len(names) + 1.2)
    axes: Any = figure.subplots(len(names), columns, squeeze=False)
    for axis in axes.flat:
        axis.set_axis_off()
    grey_HW3 = grey(picture.scan_HW)
    _show(axes[0, 0], grey_HW3, "scan")
    _show(axes[0, 1], paint_classes(grey_HW3, picture.truth_HW, classes), "truth")
    maps: Any = None
    for row, name in enumerate(names):
        _show(axes[row, 2], paint_classes(grey_HW3, picture.predicted[name], classes), names_shown[row])
        for label, (position, map_HW) in zip(
            ["background", *classes], enumerate(picture.probabilities[name]), strict=True
        ):
            title = f"p({label})" + (f", {name}" if len(names) > 1 else "")
            maps = _show(axes[row, 3 + position], map_HW / 255, title, cmap="magma", vmin=0, vmax=1)
    figure.colorbar(maps, ax=axes[:, 3:], label="probability", shrink=0.8, pad=0.01)
    marks = [Patch(facecolor=colour_of(name, classes), edgecolor="grey", label=name) for name in classes]
    figure.legend(handles=marks, loc="outside lower center", ncols=len(marks))
    lines = [f"{picture.name}   {picture.caption}".strip()]
    lines += [f"{name}: {picture.scores[name]}" if len(names) > 1 else picture.scores[name] for name in names]
    figure.suptitle(titled("\n".join(lines), phantom=phantom), fontsize=11.5)
    return save(figure, path)


def paint_classes(photo_HW3: Photograph, labels_HW: npt.NDArray, classes: Sequence[str]) -> Photograph:
    """The scan with every class filled and outlined in its colour."""
    masks = {name: labels_HW == position for position, name in enumerate(classes, start=1)}
    return paint_masks(photo_HW3, masks, fill=0.35, names=classes)


def grey(scan_HW: npt.NDArray) -> Photograph:
    """A scan of bytes as RGB."""
    return np.repeat(scan_HW[..., None], 3, axis=-1)


def draw_bscan_strip(
    scans: Sequence[tuple[str, Bytes, Bytes]],
    path: str | Path,
    *,
    classes: Sequence[str],
    title: str,
    labels: Mapping[str, str],
    phantom: bool = False,
) -> Path:
    """Scans side by side, each above its copy with the predicted fluid (an overview of an inferred volume).

    Args:
        scans: title, scan and predicted classes of one size, each.
        path: picture to write.
        classes: names of classes 1..K-1.
        title: above all.
        labels: legend text by class.
    """
    from matplotlib.patches import Patch

    size = fitted_size((scans[0][1].shape[0], scans[0][1].shape[1]), 640)
    height = 4.6 * min(TALLEST, size[0] / size[1])
    figure = blank(width=4.6 * max(2, len(scans)), height=2 * height + 1.4)
    axes: Any = figure.subplots(2, len(scans), squeeze=False)
    for column, (label, scan_HW, labels_HW) in enumerate(scans):
        picture_HW3 = grey(scan_HW)
        _show(axes[0, column], shrink_photograph(picture_HW3, size), label)
        _show(axes[1, column], shrink_photograph(paint_classes(picture_HW3, labels_HW, classes), size), "")
    for axis in axes.flat:
        axis.set_axis_off()
    marks = [Patch(facecolor=colour_of(name, classes), edgecolor="grey", label=labels[name]) for name in classes]
    figure.legend(handles=marks, loc="outside lower center", ncols=len(marks))
    figure.suptitle(titled(title, phantom=phantom))
    return save(figure, path)


def _show(axis: Any, picture: npt.NDArray, label: str, **arguments: Any) -> Any:
    axis.set_title(label, fontsize=9.5)
    axis.set_box_aspect(min(TALLEST, picture.shape[0] / picture.shape[1]))
    arguments |= {"aspect": "auto"}
    return axis.imshow(picture, interpolation="nearest" if max(picture.shape) < 400 else "antialiased", **arguments)
