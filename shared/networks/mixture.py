"""One task's mixture of experts: its router and its experts behind a dispatch.

Dimensions: B batch, E experts.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from torch import Tensor, nn

from shared.errors import ConfigError
from shared.networks.dispatch import DenseDispatch, SparseDispatch
from shared.networks.routing import Router

DISPATCHES: dict[str, type[DenseDispatch] | type[SparseDispatch]] = {"dense": DenseDispatch, "sparse": SparseDispatch}


class Mixture(NamedTuple):
    """``output`` [B, ...] mixed; ``logits_BE`` and ``weights_BE`` of the gate. All are zeros in rows not needed."""

    output: Tensor
    logits_BE: Tensor
    weights_BE: Tensor


class MixtureOfExperts(nn.Module):
    """Route, dispatch, mix.

    Args:
        router: decides which experts serve which row.
        experts: E modules, see `shared.networks.dispatch`.
        dispatch: ``"sparse"`` or ``"dense"``; the same parameter names either way.
    """

    def __init__(self, router: Router, experts: Iterable[nn.Module], *, dispatch: str = "sparse") -> None:
        super().__init__()
        if dispatch not in DISPATCHES:
            raise ConfigError(f"dispatch is {dispatch!r}", expected=f"one of {[*DISPATCHES]}", fix="correct `dispatch`")
        self.router = router
        self.dispatch = DISPATCHES[dispatch](experts)

    def forward(
        self, gate_features: Tensor, inputs: list[Tensor], needed_B: Tensor, logits_BE: Tensor | None = None
    ) -> Mixture:
        """Mix the experts' outputs.

        Args:
            gate_features: what the router reads, [B,C] or [B,C,H,W].
            inputs: what the experts read.
            needed_B: bool, on the same device; other rows are routed nowhere.
            logits_BE: hold the routing fixed at these logits of the gate.
        """
        routing = self.router(gate_features, logits_BE)
        unneeded_B1 = ~needed_B.unsqueeze(1)
        weights_BE = routing.weights_BE.masked_fill(unneeded_B1, 0.0)
        output = self.dispatch(inputs, weights_BE, routing.selected_BE & needed_B.unsqueeze(1))
        return Mixture(output, routing.logits_BE.masked_fill(unneeded_B1, 0.0), weights_BE)
