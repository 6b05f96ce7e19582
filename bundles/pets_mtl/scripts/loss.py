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

from scripts.layout import BOX_TASK
from shared.errors import ConfigError
from shared.losses.weighting import FixedWeights, UncertaintyWeights
from shared.ranks import means_over_ranks
from shared.tasks import GRADE, MASK, Task, parse_tasks


class PetLoss(nn.Module):
    """Weighted Dice loss of the mask, cross entropy of every grade and L1 distance of the box, as published.

    A task's term is the mean over the images that have its label; pixels with ``counted`` 0 are left out of Dice. A
    task without any label in the batch adds nothing. Of several ranks, the batch is their common one, however the
    labels are spread over them.

    Args:
        tasks: the task list.
        weighting: called with the terms by task; `scripts.weights.choose_weighting`.
        device: where its parameters are kept, if it has any.

    Attributes:
        last_terms: the terms of the last call before weighting and "total", detached, for logging.
    """

    def __init__(
        self,
        *,
        tasks: Iterable[Mapping[str, Any] | Task],
        weighting: FixedWeights | UncertaintyWeights,
        device: torch.device | str | None = None,
    ) -> None:
        super().__init__()
        self.tasks, self.weighting = parse_tasks(tasks), weighting
        self.dice = MaskedDiceLoss(reduction="none")
        self.last_terms: dict[str, Tensor] = {}
        self.to(device)

    @property
    def learned_weights(self) -> dict[str, float]:
        """What every task's loss is now multiplied by, where that is learned; else empty."""
        return self.weighting.weights if isinstance(self.weighting, UncertaintyWeights) else {}

    def forward(self, outputs: Mapping[str, Tensor], labels: Mapping[str, Tensor]) -> Tensor:
        """Total loss, 0-d; 0 for a batch without any label.

        Args:
            outputs: the network's: ``pred`` [B,S,H,W] logits, a [B,K] entry for each grade, ``box`` [B,4].
            labels: ``masks`` and ``counted`` [B,S,H,W], ``grades`` [B,G], ``labelled`` [B,T], ``box`` [B,4] and
                ``has_box`` [B].

        Raises:
            ConfigError: a task has no weight.
        """
        terms = self.terms(outputs, labels)
        # Such a batch still has a gradient: zero.
        nothing = torch.stack([output.sum() * 0 for output in outputs.values()]).sum()
        total: Tensor = self.weighting(terms) if terms else nothing
        return self._noted(terms, total)

    def by_task(self, outputs: Mapping[str, Tensor], labels: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """The weighted losses of the tasks that the batch has labels for, for a step that is made of their gradients.

        Raises:
            ConfigError: the weights are learned, and need the total.
        """
        if not isinstance(self.weighting, FixedWeights):
            raise ConfigError(
                f"a {type(self.weighting).__name__} for losses task by task",
                expected="fixed weights",
                fix="give either a weighting by gradients or learned weights",
            )
        terms = self.terms(outputs, labels)
        weighted = {name: self.weighting.weights[name] * term for name, term in terms.items()}
        self._noted(terms, sum(weighted.values(), torch.zeros((), device=outputs[next(iter(outputs))].device)))
        return weighted

    def _noted(self, terms: Mapping[str, Tensor], total: Tensor) -> Tensor:
        self.last_terms = {name: term.detach() for name, term in terms.items()} | {"total": total.detach()}
        return total

    def terms(self, outputs: Mapping[str, Tensor], labels: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """The losses by task before weighting, 0-d each."""
        terms: dict[str, Tensor] = {}
        counts: dict[str, int] = {}
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
            elif task.kind == MASK:
                if len(rows):
                    terms[task.name] = self._dice(outputs, labels, rows, s)
                s += 1
            # Augmentation may have moved the box out of the image.
            elif len(rows := labels["has_box"].bool().nonzero().squeeze(1)):
                terms[task.name] = functional.l1_loss(outputs[BOX_TASK][rows].float(), labels[BOX_TASK][rows].float())
            counts[task.name] = len(rows)
        return means_over_ranks(terms, counts=counts, outputs=list(outputs.values()))

    def _dice(self, outputs: Mapping[str, Tensor], labels: Mapping[str, Tensor], rows: Tensor, s: int) -> Tensor:
        # MONAI masks before its sigmoid, which would make a masked pixel one half: the sigmoid comes first.
        share = torch.sigmoid(outputs["pred"][rows, s : s + 1].float())
        target, counted = labels["masks"][rows, s : s + 1].float(), labels["counted"][rows, s : s + 1].float()
        return torch.as_tensor(self.dice(share, target, mask=counted)).mean()
