"""A network whose outputs for an image depend on that image alone: a batch gives what its parts give."""

from __future__ import annotations

from typing import Any

from torch import nn

from shared.engines import start_network
from shared.networks.dropout import Dropout


def freeze(network: nn.Module) -> nn.Module:
    """Keep statistics (BatchNorm) as they are, also in training, and switch dropout off; in place."""
    for module in network.modules():
        if hasattr(module, "running_mean") or hasattr(module, "running_mean_C"):
            module.eval()
            kind = type(module)
            module.__class__ = type(f"Frozen{kind.__name__}", (kind,), {"train": _stay})
        elif isinstance(module, (nn.modules.dropout._DropoutNd, Dropout)):
            module.p = 0.0
    return network


def start_frozen(*, network: nn.Module, device: Any) -> nn.Module:
    """`shared.engines.start_network` from scratch, frozen; for a configuration's ``network``."""
    return freeze(start_network(network=network, pretrained="scratch", phantoms=True, device=device))


def _stay(self: nn.Module, mode: bool = True) -> nn.Module:
    return nn.Module.train(self, False)
