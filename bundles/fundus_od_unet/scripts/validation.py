"""Disc and cup while training: Dice and IoU of each photograph at its own size, averaged.

Dimensions: K classes with the background, H W rows and columns of the photograph's view.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import Any

import torch
from ignite.engine import Engine
from ignite.metrics import Metric, MetricsLambda
from ignite.metrics.metric import reinit__is_reduced, sync_all_reduce
from torch import Tensor

from shared.errors import DataError

Figures = dict[str, float]
THRESHOLD = 0.5


def nested_probabilities(probabilities_KHW: Tensor) -> Tensor:
    """[K-1,H,W]: of every class after the background, the probability of it or a later one (the disc holds its cup)."""
    return probabilities_KHW[1:].flip(0).cumsum(0).flip(0)


class NestedTally(Metric):
    """Means over photographs, from an evaluator whose post-processing has decollated its batch.

    Reads ``pred``, probabilities [K,H,W], and the batch's ``native_label``, class numbers [1,H,W]. A pixel belongs to
    the disc where the probabilities of disc (rim) and cup together exceed .5, to the cup where the cup's does. A class
    absent from a photograph's truth scores 1 where nothing was found and 0 otherwise. ``compute`` gives
    ``Dice_<class>`` and ``IoU_<class>``, ``Dice_mean`` over classes, and ``score``, the same. Summed over processes.
    """

    def __init__(self, classes: Sequence[str], *, device: str | torch.device = "cpu") -> None:
        self.classes = list(classes)
        super().__init__(device=device)

    @reinit__is_reduced
    def reset(self) -> None:
        # Sums of Dice, then of IoU, of every class; the last number counts photographs.
        self._sums = torch.zeros(2 * len(self.classes) + 1, dtype=torch.float64, device=self._device)

    @torch.no_grad()
    def iteration_completed(self, engine: Engine) -> None:
        state: Any = engine.state
        for output, batch in zip(state.output, state.batch, strict=True):
            if "native_label" in batch:
                self.update((torch.as_tensor(output["pred"]), torch.as_tensor(batch["native_label"])))

    @reinit__is_reduced
    def update(self, output: tuple[Tensor, Tensor]) -> None:
        """Add one photograph: probabilities [K,H,W] and class numbers [1,H,W]."""
        probabilities_KHW, label_1HW = output
        found_CHW = nested_probabilities(probabilities_KHW) > THRESHOLD
        numbers = torch.arange(1, len(self.classes) + 1, device=label_1HW.device)
        truth_CHW = (label_1HW >= numbers[:, None, None]).to(found_CHW.device)
        hits_C = (found_CHW & truth_CHW).sum((1, 2), dtype=torch.float64)
        total_C = found_CHW.sum((1, 2), dtype=torch.float64) + truth_CHW.sum((1, 2))
        dice_C = torch.where(total_C > 0, 2 * hits_C / total_C, 1.0)
        iou_C = dice_C / (2 - dice_C)
        self._sums += torch.cat([dice_C, iou_C, dice_C.new_ones(1)]).to(self._sums)

    @sync_all_reduce("_sums")
    def compute(self) -> Figures:
        *sums, photographs = self._sums.tolist()
        if not photographs:
            raise DataError(
                "no validation photograph has a mask, so no model can be selected",
                expected="at least one validation photograph with a mask of its disc",
                fix="raise --validation_fraction, or check the data folder",
            )
        means = [total / photographs for total in sums]
        names = [f"{measure}_{name}" for measure in ("Dice", "IoU") for name in self.classes]
        figures = dict(zip(names, means, strict=True))
        mean = sum(means[: len(self.classes)]) / len(self.classes)
        return {"score": mean} | figures | {"Dice_mean": mean}

    def names(self) -> list[str]:
        """Names that ``compute`` gives, ``score`` first (the first one is a MONAI engine's key metric)."""
        measures = [f"{measure}_{name}" for measure in ("Dice", "IoU") for name in self.classes]
        return ["score", *measures, "Dice_mean"]


def nested_metrics(classes: Sequence[str], *, device: str | torch.device = "cpu") -> dict[str, Metric]:
    """Metrics by name for ``key_val_metric`` of MONAI's evaluator, ``score`` first; all read one `NestedTally`."""
    tally = NestedTally(classes, device=device)
    return {name: MetricsLambda(functools.partial(_figure, name=name), tally) for name in tally.names()}


def _figure(figures: Figures, *, name: str) -> float:
    return figures[name]
