"""What a run shows beside surfaces: an image through training, how far layers moved, what they look for."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from shared.draw.look import titled
from shared.errors import ConfigError
from shared.losses.segmentation import SegmentationLoss
from shared.observatory.change import draw_weight_change, weight_change, write_weight_change
from shared.observatory.choice import make_losses
from shared.observatory.draw_features import draw_features
from shared.observatory.draw_maps import animate_states, draw_states, image_state, tops_of
from shared.observatory.features import class_activation, find_layer, layers_of, most_exciting
from shared.observatory.fine_tune import fine_tune
from shared.observatory.metric import DICE_ERROR, dice_error
from shared.observatory.run import Run
from shared.progress import progress_bar
from shared.report.files import safe_name, write_csv

LOSSES = ("cross_entropy", "focal(gamma=2)", "dice", "tversky")
MOST_ROWS = 6
MOST_FRAMES = 60
SHOWN_IMAGES = 3


def maps_of(run: Run, *, image: int, folder: Path, losses: Sequence[str] = LOSSES) -> list[Path]:
    """Prediction, difference, confidence and maps of one of the run's images: six snapshots, and all as an animation.

    Raises:
        ConfigError: the run saved fewer images.
    """
    image_1CHW, label_11HW = one_image(run, image)
    chosen = losses_of(run, losses)
    states = []
    for place in spread(len(run.snapshots), most=MOST_FRAMES):
        snapshot = run.snapshots[place]
        with torch.no_grad():
            logits_1KHW = run.show(snapshot)(image_1CHW)
        states.append(image_state(logits_1KHW, label_11HW, when=f"epoch {snapshot.epoch}", losses=chosen))
    run.show(run.snapshots[-1])
    truth_HW = label_11HW[0, 0].long().cpu().numpy()
    rows = [states[place] for place in spread(len(states), most=MOST_ROWS)]
    title = titled(f"image {image} through training", phantom=run.phantom)
    return [
        draw_states(image_1CHW[0], truth_HW, rows, folder / f"maps_{image}.png", title=title, tops=tops_of(states)),
        animate_states(image_1CHW[0], truth_HW, states, folder / f"maps_{image}.gif", title=title),
    ]


def single_image(
    run: Run, *, image: int, folder: Path, losses: Sequence[str] = LOSSES, steps: int = 1000, rate: float = 1e-5
) -> list[Path]:
    """The published experiment: from the run's last weights, each loss trains on one image alone.

    Returns:
        a picture per loss with up to six of its states and an animation with all, all on the same colour scales, and a
        table of all losses and of ``1 - Dice`` at each state.
    """
    image_1CHW, label_11HW = one_image(run, image)
    chosen = losses_of(run, losses)
    trained = {
        name: fine_tune(run.network, image_1CHW, label_11HW, loss=loss, steps=steps, rate=rate)
        for name, loss in progress_bar(chosen.items(), desc="losses")
    }
    yardsticks: dict[str, Callable[[Tensor, Tensor], Tensor]] = {**chosen, DICE_ERROR: dice_error}
    rows = [
        {"trained with": name, "step": step, "loss": other, "value": float(yardstick(logits_1KHW, label_11HW))}
        for name, states in trained.items()
        for step, logits_1KHW in states.items()
        for other, yardstick in yardsticks.items()
    ]
    written = [write_csv(folder / f"single_{image}.csv", rows, ["trained with", "step", "loss", "value"])]
    truth_HW = label_11HW[0, 0].long().cpu().numpy()
    states = {
        name: [image_state(logits, label_11HW, when=f"step {step}", losses=chosen) for step, logits in found.items()]
        for name, found in trained.items()
    }
    tops = tops_of([state for found in states.values() for state in found])
    for name, found in states.items():
        shown = [found[place] for place in spread(len(found), most=MOST_ROWS)]
        path = folder / f"single_{image}_{safe_name(name)}.png"
        title = titled(f"trained with {name} on this image", phantom=run.phantom)
        written.append(draw_states(image_1CHW[0], truth_HW, shown, path, title=title, tops=tops))
        written.append(animate_states(image_1CHW[0], truth_HW, found, path.with_suffix(".gif"), title=title, tops=tops))
    return written


def one_image(run: Run, image: int) -> tuple[Tensor, Tensor]:
    """Image [1,C,H,W] and label [1,1,H,W].

    Raises:
        ConfigError: the run saved fewer.
    """
    images, labels = (torch.cat(parts) for parts in zip(*run.batches, strict=True))
    if not 0 <= image < len(images):
        raise ConfigError(
            f"--image is {image}",
            expected=f"0 to {len(images) - 1}, the images that the run saved",
            fix="choose one of them, or train with more `num_images` of SnapshotSaver",
        )
    return images[image : image + 1], labels[image : image + 1]


def losses_of(run: Run, losses: Sequence[str]) -> dict[str, SegmentationLoss]:
    """Losses for the run's classes, on its device."""
    device = run.batches[0][0].device
    return {name: loss.to(device) for name, loss in make_losses(losses, num_classes=run.num_classes).items()}


def spread(count: int, *, most: int) -> list[int]:
    """At most so many of 0 to ``count`` - 1, evenly, first and last among them."""
    return sorted({round(place) for place in np.linspace(0, count - 1, min(count, most)).tolist()})


def weights_of(run: Run, *, folder: Path) -> list[Path]:
    """Chart and table of how far each parameter moved from snapshot to snapshot."""
    epochs = [snapshot.epoch for snapshot in run.snapshots]
    change = weight_change([run.weights(snapshot) for snapshot in run.snapshots], epochs=epochs)
    picture = draw_weight_change(change, folder / "weight_change.png", phantom=run.phantom)
    return [picture, write_weight_change(change, folder / "weight_change.csv")]


def features_of(run: Run, *, layer: str, channels: int, folder: Path) -> list[Path]:
    """Grad-CAM of all classes over three images, and what the first channels of a layer look for.

    Args:
        run: whose last weights are looked at.
        layer: a module's name; empty for the last convolution but one.
        channels: number of channels; fewer where the layer has fewer.
        folder: for the picture.

    Raises:
        ConfigError: there is no such layer.
    """
    layer = layer or layers_of(run.network)[-2:][0]
    module = find_layer(run.network, layer)
    image_BCHW = run.batches[0][0][:SHOWN_IMAGES]
    activation_NKHW = torch.stack(
        [class_activation(run.network, image_BCHW, layer=layer, class_index=index) for index in range(run.num_classes)],
        dim=1,
    )
    norm = float(image_BCHW.flatten(1).norm(dim=1).mean())
    shape = (image_BCHW.shape[1], image_BCHW.shape[2], image_BCHW.shape[3])
    count = min(channels, int(getattr(module, "out_channels", channels)))
    found = [
        most_exciting(run.network, layer=layer, channel=channel, shape=shape, norm=norm)
        for channel in progress_bar(range(count), desc="channels")
    ]
    picture = folder / f"features_{safe_name(layer)}.png"
    grey_MHW = torch.stack(found).mean(1)
    return [draw_features(image_BCHW, activation_NKHW, grey_MHW, picture, layer=layer, phantom=run.phantom)]
