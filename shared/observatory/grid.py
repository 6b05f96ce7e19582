"""Losses of a network over a plane of its weights: batched, resumable, any loss on any network.

Dimensions: L losses, A B grid places, P points computed at once.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.func import functional_call, vmap

from shared.errors import ConfigError
from shared.networks.modes import evaluating
from shared.observatory.batch_norm import FROZEN, MODES, reestimated_buffers
from shared.observatory.plane import Plane, Weights, check_plane, digest
from shared.observatory.surface import Surface, continued, save_surface
from shared.progress import progress_bar

Loss = Callable[[Any, Tensor], Tensor]
Batches = Sequence[tuple[Tensor, Tensor]]
SAVE_EVERY_S = 10.0


def compute_surface(
    network: nn.Module,
    *,
    plane: Plane,
    batches: Batches,
    losses: Mapping[str, Loss],
    side: int = 25,
    extent: float = 1.0,
    batch_norm: str = FROZEN,
    at_once: int = 1,
    file: str | Path | None = None,
    show_progress: bool = True,
) -> Surface:
    """Losses on ``side x side`` points of a plane, all losses of a point from one forward pass.

    The value of a point is the mean of the batches' losses, weighted by their number of images; in evaluation mode. The
    network is not changed.

    Args:
        network: takes images and returns what the losses take; on the device to compute on, as plane and batches.
        plane: through the weights to look at.
        batches: images and labels.
        losses: by name, called with ``(output, label)``; a metric such as 1 - Dice is one more of them.
        side: odd, so that the centre is a point.
        extent: the largest coordinate, in lengths of the directions.
        batch_norm: "frozen": the network's stored means everywhere; "reestimated": at each point over the images.
        at_once: points in one forward pass (`torch.func.vmap`), with frozen BatchNorm; more pays on GPUs.
        file: saved every ten seconds and at the end; an unfinished one is continued.
        show_progress: as a bar.

    Raises:
        ConfigError: for a plane of another network, a loss that needs another output, or settings that cannot be.
        DataError: ``file`` holds another surface.
    """
    _check(side=side, extent=extent, batch_norm=batch_norm, at_once=at_once, batches=batches, losses=losses)
    check_plane(plane, network)
    surface = _empty(network, plane, batches, losses, side=side, extent=extent, batch_norm=batch_norm)
    surface = surface if file is None else continued(surface, file)
    waiting = surface.waiting
    bar = progress_bar(
        total=side * side, initial=side * side - len(waiting), desc="surface", unit="point", disable=not show_progress
    )
    saved_at = time.monotonic()
    try:
        with bar, torch.no_grad(), evaluating(network):
            for start in range(0, len(waiting), at_once):
                places = waiting[start : start + at_once]
                points = [plane.point(surface.alpha_A[a], surface.beta_B[b]) for a, b in places]
                values_LP = losses_at(network, points, batches=batches, losses=losses, batch_norm=batch_norm)
                for (a, b), values_L in zip(places, values_LP.T, strict=True):
                    surface.values_LAB[:, a, b] = values_L
                bar.update(len(places))
                if file is not None and time.monotonic() - saved_at > SAVE_EVERY_S:
                    save_surface(surface, file)
                    saved_at = time.monotonic()
    finally:
        if file is not None and waiting:
            save_surface(surface, file)
    return surface


def losses_at(
    network: nn.Module,
    points: Sequence[Weights],
    *,
    batches: Batches,
    losses: Mapping[str, Loss],
    batch_norm: str = FROZEN,
) -> np.ndarray:
    """Losses [L, P] of a network with other weights; infinite where a loss overflows or is undefined."""
    buffers = [
        dict(network.named_buffers())
        if batch_norm == FROZEN
        else reestimated_buffers(network, point, (image for image, _ in batches))
        for point in points
    ]
    sums_LP = np.zeros((len(losses), len(points)))
    for image, label in batches:
        outputs = _outputs(network, points, buffers, image)
        for p, output in enumerate(outputs):
            for place, (name, loss) in enumerate(losses.items()):
                sums_LP[place, p] += len(image) * _value(name, loss, output, label)
    values_LP = sums_LP / sum(len(image) for image, _ in batches)
    return np.where(np.isnan(values_LP), np.inf, values_LP)


def _value(name: str, loss: Loss, output: Any, label: Tensor) -> float:
    try:
        return float(loss(output, label))
    except torch.OutOfMemoryError:
        raise
    except (AssertionError, AttributeError, IndexError, KeyError, RuntimeError, TypeError, ValueError) as error:
        kind = f"{list(output.shape)}" if isinstance(output, Tensor) else type(output).__name__
        raise ConfigError(
            f"the loss {name} cannot take the network's output ({kind}) with labels {list(label.shape)}: {error}",
            expected="logits of as many classes as the loss has, at the labels' size",
            fix="choose a loss of this output, or wrap the network so that it returns what the loss needs",
        ) from error


def _outputs(
    network: nn.Module, points: Sequence[Weights], buffers: Sequence[Mapping[str, Tensor]], image: Tensor
) -> list[Any]:
    if len(points) == 1:
        return [functional_call(network, {**points[0], **buffers[0]}, (image,))]
    stacked = {name: torch.stack([point[name] for point in points]) for name in points[0]}

    def one(weights: dict[str, Tensor]) -> Any:
        return functional_call(network, {**weights, **buffers[0]}, (image,))

    together = vmap(one, randomness="error")(stacked)
    return [_row(together, p) for p in range(len(points))]


def _row(output: Any, p: int) -> Any:
    return {name: value[p] for name, value in output.items()} if isinstance(output, Mapping) else output[p]


def _empty(
    network: nn.Module,
    plane: Plane,
    batches: Batches,
    losses: Mapping[str, Loss],
    *,
    side: int,
    extent: float,
    batch_norm: str,
) -> Surface:
    axis = np.linspace(-extent, extent, side)
    axis[side // 2] = 0.0
    key = {
        "weights": digest([*plane.centre.values(), *network.buffers()]),
        "directions": digest([*plane.first.values(), *plane.second.values()]),
        "images": digest(tensor for batch in batches for tensor in batch),
        "batch_norm": batch_norm,
    }
    values_LAB = np.full((len(losses), side, side), np.nan)
    return Surface(list(losses), axis, axis.copy(), values_LAB, plane.title, key)


def _check(
    *, side: int, extent: float, batch_norm: str, at_once: int, batches: Batches, losses: Mapping[str, Loss]
) -> None:
    for wrong, received, expected in (
        (side < 3 or side % 2 == 0, f"side={side}", "an odd number from 3 on, so that the centre is a point"),
        (not extent > 0, f"extent={extent}", "a number above 0"),
        (batch_norm not in MODES, f"batch_norm={batch_norm!r}", f"one of {', '.join(MODES)}"),
        (at_once < 1, f"at_once={at_once}", "a number from 1 on"),
        (at_once > 1 and batch_norm != FROZEN, f"at_once={at_once} with {batch_norm}", "1, or batch_norm=frozen"),
        (not batches or not losses, f"{len(batches)} batches, {len(losses)} losses", "at least one of each"),
    ):
        if wrong:
            raise ConfigError(received, expected=expected, fix="correct the setting")
