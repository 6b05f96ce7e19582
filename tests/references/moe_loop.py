"""Mixture of experts the slow, obvious way: one photograph, one expert at a time, a sort for the selection."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor


def select(scores: Sequence[float], *, rule: str, p: float = 1.0, k: int = 1) -> list[int]:
    """Indices of the selected experts for one photograph, in the order in which they are taken."""
    order = sorted(range(len(scores)), key=lambda index: (-scores[index], index))
    if rule == "dense":
        return order
    if rule == "top_k":
        return order[:k]
    taken, reached = [order[0]], scores[order[0]]
    for index in order[1:]:
        if reached >= p:
            break
        taken.append(index)
        reached += scores[index]
    return taken


def mix(
    experts: Sequence[Callable[[list[Tensor]], Tensor]],
    inputs: list[Tensor],
    scores_BE: Tensor,
    *,
    rule: str,
    p: float = 1.0,
    k: int = 1,
) -> Tensor:
    """Each photograph alone through each of its experts, weighted by its renormalised score."""
    outputs = []
    for row in range(scores_BE.shape[0]):
        taken = select(scores_BE[row].tolist(), rule=rule, p=p, k=k)
        total = sum(scores_BE[row, index] for index in taken)
        alone = [tensor[row : row + 1] for tensor in inputs]
        outputs.append(sum(scores_BE[row, index] / total * experts[index](alone) for index in taken))
    return torch.cat(outputs)
