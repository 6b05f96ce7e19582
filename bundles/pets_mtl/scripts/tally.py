"""Figures after every epoch: overlap of the mask, accuracy of the grades, overlap of the box."""

from __future__ import annotations

import functools
import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import torch
from ignite.metrics import Metric, MetricsLambda
from ignite.metrics.metric import reinit__is_reduced, sync_all_reduce

from scripts.layout import BOX_TASK
from shared.data.boxes import box_iou, boxes_to_pixels
from shared.errors import DataError
from shared.metrics.decollated import DecollatedMetric
from shared.tasks import Task, parse_tasks

Figures = dict[str, float]
GOOD_BOX = 0.5


class PetTally(DecollatedMetric):
    """Sums over the images of an epoch, from an evaluator whose post-processing has decollated its batch.

    Each image counts once in a task for which it is labelled. ``compute`` gives means over these images:
    ``Dice_<mask>`` and ``IoU_<mask>`` at probability 0.5, of the pixels that count, on the network's canvas;
    ``accuracy_<grade>``; ``box_IoU`` in pixels of the original and ``box_IoU_above_50``, the share of boxes with at
    least 0.5; and ``score``, the mean of Dice, accuracy (over grades) and box IoU, those there are. A task without a
    labelled image is NaN and left out of the score. Summed over processes.

    Args:
        tasks: the task list.
        device: where the sums are kept.
    """

    def __init__(self, tasks: Iterable[Mapping[str, Any] | Task], *, device: str | torch.device = "cpu") -> None:
        self.tasks = parse_tasks(tasks)
        self.figures = [f"{measure}_{task.name}" for task in self.tasks.masks for measure in ("Dice", "IoU")]
        self.figures += [f"accuracy_{task.name}" for task in self.tasks.grades]
        self.figures += [name for _ in self.tasks.boxes for name in ("box_IoU", "box_IoU_above_50")]
        super().__init__(device=device)

    @reinit__is_reduced
    def reset(self) -> None:
        self._sums_F2 = torch.zeros(len(self.figures), 2, dtype=torch.float64, device=self._device)

    @reinit__is_reduced
    def update(self, output: tuple[Mapping[str, Any], Mapping[str, Any]]) -> None:
        """Add one image: ``pred`` [S,H,W], every grade's [K] and ``pred_box`` [4], and its item."""
        predicted, truth = output
        labelled_T = torch.as_tensor(truth["labelled"]).bool().tolist()
        found: Figures = {}
        for s, task in enumerate(self.tasks.masks):
            if labelled_T[self.tasks.index(task.name)]:
                counted_HW = truth["counted"][s].to(predicted["pred"].device) > 0
                found |= _overlap(predicted["pred"][s][counted_HW], truth["masks"][s], counted_HW, name=task.name)
        for g, task in enumerate(self.tasks.grades):
            if labelled_T[self.tasks.index(task.name)]:
                found[f"accuracy_{task.name}"] = int(truth["grades"][g]) == int(predicted[task.name].argmax())
        if self.tasks.boxes and bool(truth["has_box"]):
            truth_4 = boxes_to_pixels(
                torch.as_tensor(truth[BOX_TASK]).float().cpu(), sizes_B2=truth["photo_size"].cpu()
            )
            iou = float(box_iou(predicted["pred_box"].cpu()[None], truth_4[None]))
            found |= {"box_IoU": iou, "box_IoU_above_50": iou >= GOOD_BOX}
        for name, value in found.items():
            self._sums_F2[self.figures.index(name)] += torch.tensor([value, 1.0]).to(self._sums_F2)

    @sync_all_reduce("_sums_F2")
    def compute(self) -> Figures:
        sums_F2 = self._sums_F2.cpu().tolist()
        figures = {
            name: total / count if count else math.nan
            for name, (total, count) in zip(self.figures, sums_F2, strict=True)
        }
        parts = [
            [figures[f"Dice_{task.name}"] for task in self.tasks.masks],
            [figures[f"accuracy_{task.name}"] for task in self.tasks.grades],
            [figures["box_IoU"]] if self.tasks.boxes else [],
        ]
        return figures | {"score": _mean([_mean(part) for part in parts])}


def validation_metrics(
    tasks: Iterable[Mapping[str, Any] | Task], *, device: str | torch.device = "cpu"
) -> dict[str, Metric]:
    """Metrics by name for ``key_val_metric`` of MONAI's evaluator, ``score`` first; all read one `PetTally`."""
    tally = PetTally(tasks, device=device)
    return {name: MetricsLambda(functools.partial(_figure, name=name), tally) for name in ("score", *tally.figures)}


def _overlap(scores_N: torch.Tensor, mask_HW: torch.Tensor, counted_HW: torch.Tensor, *, name: str) -> Figures:
    found_N, mask_N = scores_N > 0.5, mask_HW.to(counted_HW.device)[counted_HW] > 0
    hit, union = int((found_N & mask_N).sum()), int((found_N | mask_N).sum())
    # A labelled image shows a pet: only an ignored border can leave it empty.
    return {f"Dice_{name}": 2 * hit / (hit + union), f"IoU_{name}": hit / union} if union else {}


def _figure(figures: Figures, *, name: str) -> float:
    if name == "score" and math.isnan(figures["score"]):
        raise DataError(
            "no validation image has a label for any task, so no model can be selected",
            expected="at least one validation image with a mask, a class or a box for the tasks asked for",
            fix="check `tasks`, `dataset_dir` and the validation split",
        )
    return figures[name]


def _mean(values: Sequence[float]) -> float:
    defined = [value for value in values if not math.isnan(value)]
    return sum(defined) / len(defined) if defined else math.nan
