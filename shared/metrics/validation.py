"""Metrics while training: one pass over each batch, scalars only, for MONAI's evaluator and MLflow."""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from ignite.metrics import Metric, MetricsLambda
from ignite.metrics.metric import reinit__is_reduced, sync_all_reduce

from shared.errors import DataError
from shared.metrics.decollated import DecollatedMetric
from shared.metrics.grading import accuracy, quadratic_kappa
from shared.metrics.overlap import Overlap, dice
from shared.tasks import Task, TaskList, parse_tasks

Figures = dict[str, float]


class TaskTally(DecollatedMetric):
    """Counts of every task over an epoch, from an evaluator whose post-processing has decollated its batch.

    Only labelled (photograph, task) pairs count. ``compute`` gives one number per name: ``Dice_<mask task>`` pooled
    over pixels, ``accuracy_<grade task>``, ``kappa_<grade task>`` (quadratic), ``Dice_mean`` over mask tasks,
    ``accuracy_mean`` over grade tasks, and ``score``. A task without a labelled photograph is NaN and left out of
    means; so is an undefined kappa (truth and prediction one and the same grade throughout). Summed over processes.

    ``score`` selects the best model: the mean of ``Dice_mean`` and ``accuracy_mean``, or the one that exists.
    Accuracy, not kappa: it is what the literature compares, always defined, and runs over 0..1 like Dice, whereas on a
    few dozen validation photographs kappa swings by tenths and may be undefined.

    Args:
        tasks: the task list.
        thresholds: probability per mask task above which a pixel belongs to the mask; 0.5 where not given.
        device: where the counts are kept.
    """

    def __init__(
        self,
        tasks: Sequence[Mapping[str, Any] | Task],
        *,
        thresholds: Mapping[str, float] | None = None,
        device: str | torch.device = "cpu",
    ) -> None:
        self.tasks: TaskList = parse_tasks(tasks)
        self.thresholds = [float((thresholds or {}).get(task.name, 0.5)) for task in self.tasks.masks]
        super().__init__(device=device)

    @reinit__is_reduced
    def reset(self) -> None:
        sizes = [4 * len(self.tasks.masks), *(task.num_classes**2 for task in self.tasks.grades)]
        self._counts = torch.zeros(sum(sizes), dtype=torch.float64, device=self._device)
        parts = self._counts.split(sizes)
        self._overlap_S4 = parts[0].view(-1, 4)
        self._confusions = [
            part.view(task.num_classes, -1) for part, task in zip(parts[1:], self.tasks.grades, strict=True)
        ]

    @reinit__is_reduced
    def update(self, output: tuple[Mapping[str, Any], Mapping[str, Any]]) -> None:
        """Add one photograph: the output and the batch dictionary, keys as in `shared.metrics.outcome`."""
        predicted, truth = output
        labelled_T = torch.as_tensor(truth["labelled"]).bool().tolist()
        for position, task in enumerate(self.tasks.masks):
            if labelled_T[self.tasks.index(task.name)]:
                scores_HW, mask_HW = predicted["pred"][position], truth["masks"][position]
                found_HW, mask_HW = scores_HW > self.thresholds[position], mask_HW.to(scores_HW.device) > 0
                counts = torch.stack([(found_HW & mask_HW).sum(), mask_HW.sum(), found_HW.sum()])
                self._overlap_S4[position, :3] += counts.to(self._overlap_S4)
                self._overlap_S4[position, 3] += 1
        for position, task in enumerate(self.tasks.grades):
            if labelled_T[self.tasks.index(task.name)]:
                self._confusions[position][int(truth["grades"][position]), int(predicted[task.name].argmax())] += 1

    @sync_all_reduce("_counts")
    def compute(self) -> Figures:
        # sync_all_reduce replaces `_counts` by its sum, so the views made in `reset` are stale here
        counts = self._counts.cpu().numpy()
        figures: Figures = {}
        for position, task in enumerate(self.tasks.masks):
            hit, mask, found, photographs = counts[4 * position : 4 * position + 4]
            overlap = Overlap(np.asarray(hit), np.asarray(mask - hit), np.asarray(found - hit))
            figures[f"Dice_{task.name}"] = float(dice(overlap)) if photographs else float("nan")
        start = 4 * len(self.tasks.masks)
        for task in self.tasks.grades:
            confusion = counts[start : start + task.num_classes**2].reshape(task.num_classes, -1)
            start += task.num_classes**2
            figures[f"accuracy_{task.name}"] = float(accuracy(confusion))
            figures[f"kappa_{task.name}"] = float(quadratic_kappa(confusion))
        if self.tasks.masks:
            figures["Dice_mean"] = _mean(figures[f"Dice_{task.name}"] for task in self.tasks.masks)
        if self.tasks.grades:
            figures["accuracy_mean"] = _mean(figures[f"accuracy_{task.name}"] for task in self.tasks.grades)
        figures["score"] = _mean(figures[name] for name in ("Dice_mean", "accuracy_mean") if name in figures)
        return figures

    def names(self) -> list[str]:
        """Names that ``compute`` gives, ``score`` first (the first one is a MONAI engine's key metric)."""
        self.reset()
        return ["score", *(name for name in self.compute() if name != "score")]


def validation_metrics(
    tasks: Sequence[Mapping[str, Any] | Task],
    *,
    thresholds: Mapping[str, float] | None = None,
    device: str | torch.device = "cpu",
) -> dict[str, Metric]:
    """Metrics by name for ``key_val_metric`` of MONAI's evaluator, ``score`` first; all read one `TaskTally`.

    Returns:
        ``score``, ``Dice_MA`` ..., ``accuracy_RG``, ``kappa_RG`` ..., ``Dice_mean``, ``accuracy_mean``: scalars.
    """
    tally = TaskTally(tasks, thresholds=thresholds, device=device)
    return {name: MetricsLambda(functools.partial(_figure, name=name), tally) for name in tally.names()}


def _figure(figures: Figures, *, name: str) -> float:
    if name == "score" and np.isnan(figures["score"]):
        raise DataError(
            "no validation photograph has a label for any task, so no model can be selected",
            expected="at least one validation photograph with a mask or a grade for the tasks asked for",
            fix="check `tasks`, `dataset_dir` and the validation split",
        )
    return figures[name]


def _mean(values: Any) -> float:
    defined = [value for value in values if not np.isnan(value)]
    return sum(defined) / len(defined) if defined else float("nan")
