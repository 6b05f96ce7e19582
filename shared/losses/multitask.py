"""One loss for photographs that carry some of the labels."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from shared.errors import ConfigError
from shared.losses.gates import GateLoss
from shared.ranks import means_over_ranks
from shared.tasks import GRADE, Task, parse_tasks


class MultiTaskLoss(nn.Module):
    """Sum over tasks of losses on the photographs that have the task's label, plus the loss of the gates.

    A task's term is the mean over its labelled photographs of the sum of its losses: a photograph without the label
    adds nothing and changes no weight. A task without any label in the batch adds nothing. Of several ranks, the batch
    is their common one, however the labels are spread over them, for losses that are means over photographs.

    Args:
        tasks: the task list.
        grade_losses: modules called with ``(logits_BK, target_B)``, class indices.
        mask_losses: modules called with ``(logits_B1HW, target_B1HW)``, e.g. MONAI's `DiceFocalLoss(sigmoid=True)`.
        gate_loss: loss of the gates, or None (networks without gates).
        weights: task name -> weight, default 1.

    Attributes:
        last_terms: the terms of the last call before weighting (task names, "gates", "total"), detached, for logging.

    Raises:
        ConfigError: for a weight of a task that does not exist.
    """

    def __init__(
        self,
        *,
        tasks: Iterable[Mapping[str, Any] | Task],
        grade_losses: Sequence[nn.Module] = (),
        mask_losses: Sequence[nn.Module] = (),
        gate_loss: GateLoss | None = None,
        weights: Mapping[str, float] | None = None,
    ) -> None:
        super().__init__()
        self.tasks = parse_tasks(tasks)
        self.grade_losses, self.mask_losses = nn.ModuleList(grade_losses), nn.ModuleList(mask_losses)
        self.gate_loss = gate_loss
        self.weights = dict.fromkeys(self.tasks.names, 1.0) | dict(weights or {})
        if unknown := sorted(set(self.weights) - set(self.tasks.names)):
            raise ConfigError(
                f"loss weights for unknown tasks: {unknown}",
                expected=f"tasks of {self.tasks.names}",
                fix="correct the key `task_weights`",
            )
        self.last_terms: dict[str, Tensor] = {}

    def forward(self, outputs: Mapping[str, Tensor], labels: Mapping[str, Tensor]) -> Tensor:
        """Total loss, 0-d.

        Args:
            outputs: the network's outputs: ``pred`` [B,S,H,W] logits, a [B,K] entry per grade task, and where the
                network has gates ``gate_logits`` [B,T,E].
            labels: ``masks`` [B,S,H,W], ``grades`` [B,G], ``labelled`` [B,T] bool.
        """
        labelled_BT = labels["labelled"].bool()
        terms: dict[str, Tensor] = {}
        s = g = 0
        for t, task in enumerate(self.tasks):
            rows = labelled_BT[:, t].nonzero().squeeze(1)
            if task.kind == GRADE:
                if len(rows):
                    logits, target = outputs[task.name][rows].float(), labels["grades"][rows, g]
                    terms[task.name] = sum_of(self.grade_losses, logits, target)
                g += 1
            else:
                if len(rows):
                    logits, target = outputs["pred"][rows, s : s + 1].float(), labels["masks"][rows, s : s + 1].float()
                    terms[task.name] = sum_of(self.mask_losses, logits, target)
                s += 1
        counts = dict(zip(self.tasks.names, labelled_BT.sum(0).tolist(), strict=True))
        terms = means_over_ranks(terms, counts=counts, outputs=list(outputs.values()))
        if not terms:
            raise ValueError(f"no photograph of the batch has a label for any task of {self.tasks.names}")
        total = torch.stack([self.weights[name] * term for name, term in terms.items()]).sum()
        if self.gate_loss is not None:
            terms["gates"] = self.gate_loss(outputs["gate_logits"], labelled_BT)
            total = total + terms["gates"]
        self.last_terms = {name: term.detach() for name, term in terms.items()} | {"total": total.detach()}
        return total


def sum_of(losses: nn.ModuleList, logits: Tensor, target: Tensor) -> Tensor:
    """Sum of several losses on the same prediction."""
    if not len(losses):
        raise ConfigError(
            "a task has labels but no loss", expected="at least one loss per kind", fix="set `loss#mask_losses`"
        )
    return torch.stack([loss(logits, target) for loss in losses]).sum()
