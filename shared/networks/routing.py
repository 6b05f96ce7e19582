"""Routing: which experts serve a photograph, and with what weight.

Dimensions: B batch, C channels, E experts, H W rows and columns.

Top-p routing: Huang et al., "Harder Tasks Need More Experts", ACL 2024; here over a per-task gate (see `Router`).
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

from shared.errors import ConfigError

DENSE, TOP_P, TOP_K = "dense", "top_p", "top_k"
RULES = (DENSE, TOP_P, TOP_K)
SCORINGS = ("softmax", "sigmoid")


class Routing(NamedTuple):
    """The decision of a router for a batch.

    ``logits_BE`` any real; ``scores_BE`` in [0, 1]; ``weights_BE`` in [0, 1], each row sums to one over the selected
    experts and is exactly 0 elsewhere; ``selected_BE`` bool, at least one per row.
    """

    logits_BE: Tensor
    scores_BE: Tensor
    weights_BE: Tensor
    selected_BE: Tensor


def precedence(scores_BE: Tensor) -> Tensor:
    """[B,E,E] bool: is expert ``j`` (last axis) taken before expert ``i``? Higher score first, ties to the lower index.

    Pairwise comparison instead of a sort: deterministic, and free of operators that ONNX lacks (a stable sort).
    """
    other_BEE, own_BEE = scores_BE.unsqueeze(1), scores_BE.unsqueeze(2)
    index_E = torch.arange(scores_BE.shape[1], device=scores_BE.device)
    lower_EE = index_E.unsqueeze(0) < index_E.unsqueeze(1)
    return (other_BEE > own_BEE) | ((other_BEE == own_BEE) & lower_EE)


def select_top_p(scores_BE: Tensor, p: float) -> Tensor:
    """[B,E] bool: experts in order of score until their cumulative score reaches ``p``; one at least, all if it never
    does."""
    before_BEE = precedence(scores_BE)
    reached_BE = (before_BEE.to(scores_BE.dtype) * scores_BE.unsqueeze(1)).sum(dim=2)
    return (reached_BE < p) | ~before_BEE.any(dim=2)


def select_top_k(scores_BE: Tensor, k: int) -> Tensor:
    """[B,E] bool: the ``k`` experts of highest score, all if there are fewer."""
    return precedence(scores_BE).sum(dim=2) < k


def global_average(features_BCHW: Tensor, dtype: torch.dtype) -> Tensor:
    """[B,C]: mean over rows and columns, summed in ``dtype``."""
    return features_BCHW.mean(dim=(2, 3), dtype=dtype)


class Router(nn.Module):
    """A gate: global average pool, one linear layer, a score for each expert, a rule that selects.

    1. ``logits = Linear(mean over rows and columns)``, in the parameters' precision even under autocast.
    2. ``scores = softmax(logits)`` or ``sigmoid(logits)`` (the published gate: sigmoid, so scores need not sum to one).
    3. Selection: ``dense`` takes all; ``top_p`` takes experts in order of score until their cumulative score reaches
       p (un-normalised for sigmoid; p >= 1 takes all for softmax); ``top_k`` takes the k best.
    4. ``weights`` = scores of the selected experts, renormalised to sum to one. Gradients reach the gate through them.

    In training the rule is the attribute ``rule``, which may be set between epochs (published: dense for the first
    half of training, then top-p .8; see `set_rule`). In evaluation it is the rule given here, with ``eval_top_p``.

    Args:
        in_channels: C of the features.
        num_experts: E.
        scoring: ``"softmax"`` or ``"sigmoid"``.
        rule: ``"dense"``, ``"top_p"`` or ``"top_k"``.
        top_p: p in training, > 0.
        eval_top_p: p in evaluation, > 0.
        top_k: k, from 1 to E.

    Raises:
        ConfigError: for an unknown scoring or rule, or numbers out of range.
    """

    def __init__(
        self,
        in_channels: int,
        *,
        num_experts: int,
        scoring: str = "softmax",
        rule: str = TOP_P,
        top_p: float = 0.8,
        eval_top_p: float = 0.75,
        top_k: int = 1,
    ) -> None:
        super().__init__()
        if num_experts < 1:
            raise ConfigError(f"num_experts is {num_experts}", expected="at least 1", fix="correct `num_experts`")
        if scoring not in SCORINGS:
            raise ConfigError(f"scoring is {scoring!r}", expected=f"one of {SCORINGS}", fix="correct `scoring`")
        for name, p in (("top_p", top_p), ("eval_top_p", eval_top_p)):
            if not p > 0:
                raise ConfigError(f"{name} is {p}", expected="a number above 0", fix=f"correct `{name}`")
        if rule == TOP_K and not 1 <= top_k <= num_experts:
            raise ConfigError(f"top_k is {top_k}", expected=f"1 to {num_experts} (num_experts)", fix="correct `top_k`")
        self.linear = nn.Linear(in_channels, num_experts)
        self.scoring, self.top_p, self.eval_top_p, self.top_k = scoring, float(top_p), float(eval_top_p), top_k
        self.rule = self.eval_rule = check_rule(rule)

    def set_rule(self, rule: str) -> None:
        """Set the rule used in training from now on; evaluation keeps the configured one."""
        self.rule = check_rule(rule)

    def forward(self, features: Tensor, logits_BE: Tensor | None = None) -> Routing:
        """Route a batch.

        Args:
            features: [B,C,H,W], or [B,C] if pooled already.
            logits_BE: use these instead of the linear layer's, to hold the routing fixed.
        """
        if logits_BE is None:
            if features.dim() == 4:
                features = global_average(features, self.linear.weight.dtype)
            # A product and a sum, because autocast would run a matrix product in half precision and flip near ties.
            logits_BE = (features.unsqueeze(1) * self.linear.weight).sum(dim=2) + self.linear.bias
        if self.scoring == "softmax":
            scores_BE, log_scores_BE = functional.softmax(logits_BE, dim=1), functional.log_softmax(logits_BE, dim=1)
        else:
            scores_BE, log_scores_BE = torch.sigmoid(logits_BE), functional.logsigmoid(logits_BE)
        selected_BE = self._select(scores_BE.detach())
        # s_i / sum of s = softmax of log s: the same renormalisation, safe where every score underflows.
        weights_BE = functional.softmax(log_scores_BE.masked_fill(~selected_BE, float("-inf")), dim=1)
        return Routing(logits_BE, scores_BE, weights_BE, selected_BE)

    def _select(self, scores_BE: Tensor) -> Tensor:
        rule = self.rule if self.training else self.eval_rule
        p = self.top_p if self.training else self.eval_top_p
        if rule == "top_k":
            return select_top_k(scores_BE, self.top_k)
        if rule == "top_p" and not (self.scoring == "softmax" and p >= 1):
            return select_top_p(scores_BE, p)
        return torch.ones_like(scores_BE, dtype=torch.bool)


def check_rule(rule: str) -> str:
    """Return ``rule`` if there is such a routing rule, else raise `ConfigError`."""
    if rule not in RULES:
        raise ConfigError(f"routing rule is {rule!r}", expected=f"one of {RULES}", fix="correct `rule`")
    return rule
