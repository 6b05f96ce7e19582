"""An image through training: what is predicted, where it is wrong, how sure, and where each loss is paid."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from shared.draw.look import FALSE_ALARM, HIT, MISS, rgb, save, subplots
from shared.files import atomic_write
from shared.losses.segmentation import SegmentationLoss
from shared.observatory.pixel_map import PixelMap, pixel_map

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Array = npt.NDArray[np.float64]
FRAME_MS = 500


class ImageState(NamedTuple):
    """One image at one time; ``classes_HW`` is the most probable class, ``confidence_HW`` its probability."""

    when: str
    classes_HW: npt.NDArray[np.int64]
    confidence_HW: Array
    maps: Mapping[str, PixelMap]


def image_state(
    logits_1KHW: Tensor, label_11HW: Tensor, *, when: str, losses: Mapping[str, SegmentationLoss]
) -> ImageState:
    """Prediction and maps of one image."""
    probabilities_KHW = logits_1KHW[0].detach().softmax(0)
    confidence_HW, classes_HW = probabilities_KHW.max(0)
    maps = {name: pixel_map(loss, logits_1KHW, label_11HW) for name, loss in losses.items()}
    return ImageState(when, classes_HW.cpu().numpy(), confidence_HW.double().cpu().numpy(), maps)


def difference(classes_HW: npt.NDArray[np.int64], label_HW: npt.NDArray[np.int64]) -> npt.NDArray[np.uint8]:
    """RGB [H,W,3]: right and not background, missed, false alarm, wrong class as a miss; background black."""
    picture = np.zeros((*label_HW.shape, 3), np.uint8)
    picture[(classes_HW == label_HW) & (label_HW > 0)] = rgb(HIT)
    picture[(classes_HW != label_HW) & (label_HW == 0)] = rgb(FALSE_ALARM)
    picture[(classes_HW != label_HW) & (label_HW > 0)] = rgb(MISS)
    return picture


def draw_states(
    image_CHW: Tensor,
    label_HW: npt.NDArray[np.int64],
    states: Sequence[ImageState],
    path: str | Path,
    *,
    title: str = "",
    tops: Mapping[bool, float] | None = None,
) -> Path:
    """A row per time, a column per view; one colour scale for all maps of a kind (costs; slopes), over all rows.

    Args:
        image_CHW: as the network takes it.
        label_HW: class indices.
        states: in order of time.
        path: picture to write.
        title: above the legend.
        tops: ends of the two scales, `tops_of` all states of several pictures; default: of these.
    """
    return save(_figure(image_CHW, label_HW, states, title=title, tops=tops or tops_of(states)), path)


def animate_states(
    image_CHW: Tensor,
    label_HW: npt.NDArray[np.int64],
    states: Sequence[ImageState],
    path: str | Path,
    *,
    title: str = "",
    tops: Mapping[bool, float] | None = None,
) -> Path:
    """The same as a GIF with a frame per time, two a second."""
    from PIL import Image

    tops, frames = tops or tops_of(states), []
    for state in states:
        figure = _figure(image_CHW, label_HW, [state], title=title, tops=tops)
        figure.canvas.draw()
        frames.append(Image.fromarray(np.asarray(figure.canvas.buffer_rgba())[..., :3].copy()))  # type: ignore[attr-defined]
    settings: dict[str, Any] = {
        "format": "GIF",
        "save_all": True,
        "append_images": frames[1:],
        "duration": FRAME_MS,
        "loop": 0,
    }
    return atomic_write(path, lambda file: frames[0].save(file, **settings))


def picture_of(image_CHW: Tensor) -> Array:
    """Three channels as colours [H,W,3] (of neighbouring B-scans: where they differ), else their mean [H,W]; 0 to 1."""
    plain = image_CHW.detach().double().cpu()
    shown = plain.permute(1, 2, 0) if len(plain) == 3 else plain.mean(0)
    low, high = shown.min(), shown.max()
    return ((shown - low) / (high - low).clamp_min(1e-12)).numpy()


def tops_of(states: Sequence[ImageState]) -> dict[bool, float]:
    """Ends of the colour scales of costs (True) and slopes (False)."""
    return {kind: _top(states, kind) for kind in (True, False)}


def _figure(
    image_CHW: Tensor,
    label_HW: npt.NDArray[np.int64],
    states: Sequence[ImageState],
    *,
    title: str,
    tops: Mapping[bool, float],
) -> Figure:
    names = list(states[0].maps)
    titles = ["image and truth", "prediction", "difference", "confidence", *names]
    figure, axes = subplots(len(states), len(titles), width=2.3 * len(titles) + 1, height=2.3 * len(states) + 1.2)
    classes = max(2, int(max(label_HW.max(), *(state.classes_HW.max() for state in states))) + 1)
    inside_HW = label_HW > 0
    shown = {}
    for row, state in zip(axes, states, strict=True):
        row[0].imshow(picture_of(image_CHW), cmap="gray")
        if inside_HW.any() and not inside_HW.all():
            row[0].contour(inside_HW, [0.5], colors=[MISS], linewidths=0.9)
        row[0].set_ylabel(state.when)
        row[1].imshow(state.classes_HW, cmap="magma", vmin=0, vmax=classes - 1, interpolation="nearest")
        row[2].imshow(difference(state.classes_HW, label_HW), interpolation="nearest")
        row[3].imshow(state.confidence_HW, cmap="cividis", vmin=0, vmax=1)
        for axis, name in zip(row[4:], names, strict=True):
            found = state.maps[name]
            costs = found.weights_BHW is not None
            values_HW = found.values_BHW[0].detach().double().cpu().numpy()
            shown[costs] = axis.imshow(values_HW, cmap="inferno" if costs else "viridis", vmin=0, vmax=tops[costs])
    for axis in axes.flat:
        axis.grid(False)
        axis.set(xticks=[], yticks=[])
    for axis, heading in zip(axes[0], titles, strict=True):
        axis.set_title(heading, fontsize=9)
    for costs, label in ((True, "loss of each pixel"), (False, "|dL/dlogit|")):
        if costs in shown:
            figure.colorbar(shown[costs], ax=axes, label=label, shrink=0.6, extend="max", pad=0.01)
    legend = "difference: white hit, orange miss, pink false alarm; one colour scale for each kind of map"
    figure.suptitle("\n".join(part for part in (title, legend) if part))
    return figure


def _top(states: Sequence[ImageState], costs: bool) -> float:
    """The 99.5th percentile of all maps of a kind: single pixels may cost many times more."""
    values = [
        found.values_BHW.detach().flatten().cpu()
        for state in states
        for found in state.maps.values()
        if (found.weights_BHW is not None) == costs
    ]
    return max(float(np.percentile(torch.cat(values).numpy(), 99.5)), 1e-12) if values else 1.0
