"""One loss for mask, grades and head box, of images that carry some of the labels.

Dimensions: B batch, T tasks, S mask tasks, G grade tasks, K classes, H W rows and columns.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import torch
from monai.losses import MaskedDiceLoss
from torch import Tensor, nn
from torch.nn import functional

from scripts.weights import BOX_TASK
from shared.tasks import GRADE, Task, parse_tasks


class PetLoss(nn.Module):
    """Weighted Dice loss of the mask, cross entropy of every grade and L1 distance of the box, as published.

    A task's term is the mean over the images that have its label; pixels with ``counted`` 0 are left out of Dice. A
    task without any label in the batch adds nothing.

    Args:
        tasks: the task list; the box is no task of it, but belongs to the loss where the network gives one.
        weighting: called with the terms by task; `shared.losses.weighting`.

    Attributes:
        last_terms: the terms of the last call before weighting and "total", detached, for logging.
    """

    def __init__(self, *, tasks: Iterable[Mapping[str, Any] | Task], weighting: nn.Module) -> None:
        super().__init__()
        self.tasks, self.weighting = parse_tasks(tasks), weighting
        self.dice = MaskedDiceLoss(reduction="none")
        self.last_terms: dict[str, Tensor] = {}

    def forward(self, outputs: Mapping[str, Tensor], labels: Mapping[str, Tensor]) -> Tensor:
        """Total loss, 0-d.

        Args:
            outputs: the network's: ``pred`` [B,S,H,W] logits, a [B,K] entry for each grade, ``box`` [B,4].
            labels: ``masks`` and ``counted`` [B,S,H,W], ``grades`` [B,G], ``labelled`` [B,T], ``box`` [B,4] and
                ``has_box`` [B].

        Raises:
            ConfigError: no image of the batch has any label, or a task has no weight.
        """
        terms = self.terms(outputs, labels)
        total: Tensor = self.weighting(terms)
        self.last_terms = {name: term.detach() for name, term in terms.items()} | {"total": total.detach()}
        return total

    def terms(self, outputs: Mapping[str, Tensor], labels: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """The losses by task before weighting, 0-d each."""
        terms: dict[str, Tensor] = {}
        labelled_BT = labels["labelled"].bool()
        s = g = 0
        for t, task in enumerate(self.tasks):
            rows = labelled_BT[:, t].nonzero().squeeze(1)
            if task.kind == GRADE:
                if len(rows):
                    terms[task.name] = functional.cross_entropy(
                        outputs[task.name][rows].float(), labels["grades"][rows, g]
                    )
                g += 1
            else:
                if len(rows):
                    terms[task.name] = self._dice(outputs, labels, rows, s)
                s += 1
        if BOX_TASK in outputs and len(rows := labels["has_box"].bool().nonzero().squeeze(1)):
            terms[BOX_TASK] = functional.l1_loss(outputs[BOX_TASK][rows].float(), labels[BOX_TASK][rows].float())
        return terms

    def _dice(self, outputs: Mapping[str, Tensor], labels: Mapping[str, Tensor], rows: Tensor, s: int) -> Tensor:
        # MONAI masks before its sigmoid, which would make a masked pixel one half: the sigmoid comes first.
        share = torch.sigmoid(outputs["pred"][rows, s : s + 1].float())
        target, counted = labels["masks"][rows, s : s + 1].float(), labels["counted"][rows, s : s + 1].float()
        return torch.as_tensor(self.dice(share, target, mask=counted)).mean()
