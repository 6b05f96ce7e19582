"""Several networks that vote with their probabilities.

Dimensions: M members, B batch, K classes, H W rows and columns.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from shared.errors import ConfigError

SMALLEST = 1e-12


class Ensemble(nn.Module):
    """The weighted mean of the members' softmax probabilities, as *log* probabilities [B,K,H,W].

    Log probabilities are logits: their softmax gives the mean probabilities back (above 1e-12), and their argmax is the
    ensemble's. So an ensemble stands wherever a network does. Members run one after another; only the mean is kept.

    Args:
        members: of each ``{"network": module, "checkpoint": path}``; ``checkpoint`` may be left out for a network that
            has its weights already.
        weights: of the members, 0 or more, not all 0; divided by their sum. Default: alike.

    Raises:
        ConfigError: no member, or weights that do not fit.
        CheckpointError: a checkpoint is absent, unreadable or of another architecture.
    """

    def __init__(self, *, members: Sequence[Mapping[str, Any]], weights: Sequence[float] | None = None) -> None:
        super().__init__()
        given = [1.0] * len(members) if weights is None else [float(weight) for weight in weights]
        usable = all(math.isfinite(weight) and weight >= 0 for weight in given) and sum(given) > 0
        if not members or len(given) != len(members) or not usable:
            raise ConfigError(
                f"{len(members)} members with weights {given}",
                expected="at least one member, and for each a weight of 0 or more, not all 0",
                fix="correct the members or their weights",
            )
        self.networks = nn.ModuleList(loaded(member) for member in members)
        self.weights = [weight / sum(given) for weight in given]
        self.smallest = SMALLEST

    def forward(self, image_BCHW: Tensor) -> Tensor:
        """Log of the weighted mean probability [B,K,H,W], float32."""
        total = torch.zeros(1, device=image_BCHW.device)
        for place, network in enumerate(self.networks):
            weight = self.weights[place]
            if weight > 0:
                total = total + weight * network(image_BCHW).float().softmax(dim=1)
        return total.clamp_min(self.smallest).log()


def loaded(member: Mapping[str, Any]) -> nn.Module:
    """A member's network with the weights of its checkpoint."""
    # Handlers import networks.
    from shared.handlers.load import load_weights, read_tensors

    network: nn.Module = member["network"]
    if path := member.get("checkpoint"):
        load_weights(network, read_tensors(path), source=path)
    return network
