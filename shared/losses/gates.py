"""Losses on the gates of a mixture of experts.

Sources: load balance as a Kullback-Leibler divergence and sparsity as in the published IDRiD system; router z-loss from
ST-MoE (Zoph et al. 2022, eq. 5); entropy minimised for top-p routing as in "Harder tasks need more experts"
(Huang et al. 2024, eq. 7).
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn

from shared.ranks import sum_over_ranks


class GateTerms(NamedTuple):
    """Unweighted terms of `GateLoss`, each 0-d."""

    sparsity: Tensor
    balance: Tensor
    entropy: Tensor
    z: Tensor


class GateLoss(nn.Module):
    """Weighted sum of four gate terms, averaged (or summed) over tasks.

    With scores ``s`` (softmax or sigmoid of the gate logits), normalised scores ``q = s / sum(s)`` and E experts:

    - sparsity: mean of ``s`` (informative for sigmoid scores only: softmax scores always have mean 1 / E);
    - balance: ``KL(uniform || mean over photographs of q) / E``, zero when the *batch* uses all experts alike;
    - entropy: mean of ``-sum(q log q)``: positive weight makes each *photograph* choose few experts, negative weight
      (published) spreads it over all of them;
    - z: mean of ``logsumexp(logits)^2``, keeps logits small.

    Of several ranks, all terms are of their common batch (`shared.ranks`).

    Args:
        scoring: "softmax" or "sigmoid", as in the router.
        sparsity, balance, entropy, z: weights of the terms.
        memory: 0..1, how much of the balance term's mean is remembered from earlier batches. A batch with one
            photograph of a task cannot tell "all on one expert" from "each its own": without memory, balance and
            entropy together send every photograph to one expert. 0 is the published form.
        num_tasks, num_experts: T and E, needed for the memory.
        on: "normalised" scores or "raw" ones in the balance term; raw is the published form, which compares
            something that does not sum to one.
        reduction: over tasks, "mean" or "sum" (published).
    """

    def __init__(
        self,
        *,
        scoring: str = "softmax",
        sparsity: float = 0.0,
        balance: float = 1e-2,
        entropy: float = 0.0,
        z: float = 1e-3,
        memory: float = 0.0,
        num_tasks: int = 0,
        num_experts: int = 0,
        on: str = "normalised",
        reduction: str = "mean",
    ) -> None:
        super().__init__()
        for key, value, allowed in (
            ("scoring", scoring, ("softmax", "sigmoid")),
            ("on", on, ("normalised", "raw")),
            ("reduction", reduction, ("mean", "sum")),
        ):
            if value not in allowed:
                raise ValueError(f"{key}={value!r}: use one of {allowed}")
        self.scoring, self.on, self.reduction = scoring, on, reduction
        if memory and not (num_tasks and num_experts):
            raise ValueError("memory needs num_tasks and num_experts")
        self.weights = (sparsity, balance, entropy, z)
        self.memory = memory
        self.mean_TE: Tensor
        uniform_TE = torch.full((num_tasks, num_experts), 1.0 / max(1, num_experts))
        self.register_buffer("mean_TE", uniform_TE, persistent=memory > 0)

    def terms(self, logits_BTE: Tensor, used_BT: Tensor) -> GateTerms:
        """The four unweighted terms.

        Args:
            logits_BTE: gate logits.
            used_BT: bool, which photograph was routed for which task; other pairs do not count.

        Returns:
            the terms over the tasks that some photograph uses; zeros if there is none.
        """
        logits_BTE = logits_BTE.float()
        scores_BTE = logits_BTE.softmax(-1) if self.scoring == "softmax" else logits_BTE.sigmoid()
        q_BTE = scores_BTE / scores_BTE.sum(-1, keepdim=True)
        balanced_BTE = scores_BTE if self.on == "raw" else q_BTE
        num_experts = logits_BTE.shape[-1]
        entropy_BT = -(q_BTE * q_BTE.clamp_min(1e-12).log()).sum(-1)
        z_BT = logits_BTE.logsumexp(-1).square()
        used_B1T = used_BT.to(logits_BTE.dtype)
        count_T = sum_over_ranks(used_B1T.sum(0))
        active_T = count_T > 0
        weight_BT = used_B1T / count_T.clamp_min(1)
        mean_TE = sum_over_ranks(torch.einsum("bt,bte->te", weight_BT, balanced_BTE))
        if self.memory:
            mean_TE = self._remember(mean_TE, active_T)
        kl_T = -(mean_TE.clamp_min(1e-12) * num_experts).log().mean(-1) / num_experts
        per_task_T = (
            sum_over_ranks((weight_BT * scores_BTE.mean(-1)).sum(0)),
            torch.where(active_T, kl_T, torch.zeros_like(kl_T)),
            sum_over_ranks((weight_BT * entropy_BT).sum(0)),
            sum_over_ranks((weight_BT * z_BT).sum(0)),
        )
        divisor = 1.0 if self.reduction == "sum" else active_T.sum().clamp_min(1).to(logits_BTE.dtype)
        return GateTerms(*(term_T.sum() / divisor for term_T in per_task_T))

    def _remember(self, mean_TE: Tensor, active_T: Tensor) -> Tensor:
        """Blend with the running mean, which is updated for the tasks in use; the gradient keeps its size."""
        self.mean_TE = self.mean_TE.to(mean_TE)
        blended_TE = self.memory * self.mean_TE + (1 - self.memory) * mean_TE.detach()
        if self.training:
            self.mean_TE = torch.where(active_T.unsqueeze(1), blended_TE, self.mean_TE)
        return blended_TE + mean_TE - mean_TE.detach()

    def forward(self, logits_BTE: Tensor, used_BT: Tensor) -> Tensor:
        """Weighted sum of the terms, 0-d."""
        terms = self.terms(logits_BTE, used_BT)
        weighted = [weight * term for weight, term in zip(self.weights, terms, strict=True) if weight]
        return torch.stack(weighted).sum() if weighted else logits_BTE.sum() * 0.0
