"""One B-scan's predictions beside its truth: the one place that knows the keys of an OCT evaluator."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.nn import functional

from shared.errors import ConfigError

PREDICTION = "pred"
SLACK = 1e-3


class BScanOutcome(NamedTuple):
    """Predictions and truth of B-scan ``number`` (from 0) of ``volume``.

    ``predictions`` are class probabilities ``[K, h, w]`` by name, at the network's size; ``native_size`` is the scan's
    own (height, width); ``truth_HW`` has that size, ``None`` for a B-scan without labels; ``image_hw`` is the scan as
    the network saw it, 0..1, ``None`` where it was not kept.
    """

    volume: str
    number: int
    native_size: tuple[int, int]
    predictions: dict[str, Tensor]
    truth_HW: npt.NDArray[np.uint8] | None
    image_hw: npt.NDArray[np.float32] | None

    def restored(self, name: str, *, classes: Sequence[str]) -> Tensor:
        """Probabilities ``[K, H, W]`` at the scan's own size, interpolated bilinearly.

        Raises:
            ConfigError: they are not of the background and these classes.
        """
        maps_Khw = self.predictions[name]
        if len(maps_Khw) != len(classes) + 1:
            raise ConfigError(
                f"prediction {name!r} has {len(maps_Khw)} classes",
                expected=f"{len(classes) + 1}: background and {', '.join(classes)}",
                fix="let `num_classes` and `classes` agree",
            )
        return restore(maps_Khw, self.native_size)


def bscan_outcomes(engine: Any, *, with_truth: bool = True) -> list[BScanOutcome]:
    """The B-scans of the engine's present batch, after its post-processing has decollated them.

    Without ``with_truth``, all come as if unlabelled: for those who score at the network's size, or not at all.

    Raises:
        ConfigError: where batch or output is not a list with one dictionary per B-scan.
    """
    outputs, batches = engine.state.output, engine.state.batch
    if not (isinstance(outputs, list) and isinstance(batches, list) and len(outputs) == len(batches)):
        raise ConfigError(
            f"the engine's output is a {type(outputs).__name__} and its batch a {type(batches).__name__}",
            expected="two lists with one dictionary per B-scan",
            fix="set `decollate: true` in the evaluator, and attach this handler there, not to a trainer",
        )
    hidden: dict[str, Any] = {} if with_truth else {"labelled": False}
    return [bscan_outcome(output, dict(batch) | hidden) for output, batch in zip(outputs, batches, strict=True)]


def bscan_outcome(output: Mapping[str, Any], batch: Mapping[str, Any]) -> BScanOutcome:
    """One B-scan's outcome from the dictionaries that MONAI's evaluator holds.

    Args:
        output: ``pred``: probabilities ``[K, h, w]``, or several by name.
        batch: ``volume``, ``slice``, ``native_size`` [2], ``image`` [C, h, w] (its middle channel is the scan), and,
            where ``labelled``, ``native_label`` [1, H, W] of the scan's own size.

    Raises:
        ConfigError: where ``pred`` holds no probabilities, or the truth is of another size.
    """
    predicted = output[PREDICTION]
    predictions = dict(predicted) if isinstance(predicted, Mapping) else {PREDICTION: predicted}
    for name, maps_Khw in predictions.items():
        _check_probabilities(name, maps_Khw)
    height, width = (int(length) for length in torch.as_tensor(batch["native_size"]).flatten())
    truth_HW = None
    if bool(batch.get("labelled", False)):
        truth_HW = _truth(batch, (height, width))
    image = batch.get("image")
    return BScanOutcome(
        volume=str(batch["volume"]),
        number=int(batch["slice"]),
        native_size=(height, width),
        predictions={name: torch.as_tensor(maps_Khw).detach() for name, maps_Khw in predictions.items()},
        truth_HW=truth_HW,
        image_hw=None if image is None else _array(image)[len(image) // 2].astype(np.float32),
    )


def restore(maps_Khw: Tensor, size: tuple[int, int]) -> Tensor:
    """Maps ``[K, h, w]`` at another ``size`` (height, width), bilinearly, float32."""
    plain = maps_Khw.as_subclass(Tensor).float()
    if tuple(plain.shape[1:]) == tuple(size):
        return plain
    return functional.interpolate(plain[None], size=tuple(size), mode="bilinear", align_corners=False)[0]


def most_probable(maps_K: Tensor) -> Tensor:
    """The class of the largest of ``[K, ...]``, the first of equal ones, uint8.

    `torch.argmax` over the first axis gives the same and takes ten times as long on a CPU.
    """
    best, labels = maps_K[0].clone(), torch.zeros(maps_K.shape[1:], dtype=torch.uint8, device=maps_K.device)
    for number, map_ in enumerate(maps_K[1:], start=1):
        labels.masked_fill_(map_ > best, number)
        torch.maximum(best, map_, out=best)
    return labels


def _check_probabilities(name: str, maps_Khw: Tensor) -> None:
    low, high = (float(value) for value in torch.aminmax(maps_Khw))
    if maps_Khw.ndim == 3 and low >= -SLACK and high <= 1 + SLACK:  # NaN is neither
        return
    raise ConfigError(
        f"prediction {name!r} has shape {tuple(maps_Khw.shape)} and values {low:.3g}..{high:.3g}",
        expected="probabilities of classes, [K, height, width]",
        fix="put `shared.transforms.ClassProbabilitiesd` first into the post-processing",
    )


def _truth(batch: Mapping[str, Any], size: tuple[int, int]) -> npt.NDArray[np.uint8]:
    label = batch.get("native_label")
    shape = None if label is None else tuple(label.shape)
    if label is None or shape != (1, *size):
        raise ConfigError(
            f"B-scan {batch['slice']} of {batch['volume']}: the truth has shape {shape}, the scan {size}",
            expected="`native_label` of the scan's own size",
            fix="load with `shared.transforms.LoadBScand` and `native: true`",
        )
    return _array(label)[0].astype(np.uint8)


def _array(value: Any) -> npt.NDArray[Any]:
    if isinstance(value, Tensor):
        value = value.detach().cpu()
        return np.asarray(value.float() if value.dtype == torch.bfloat16 else value)
    return np.asarray(value)
