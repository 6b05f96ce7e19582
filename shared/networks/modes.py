"""A network's mode for a while."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from torch import nn


@contextmanager
def evaluating(network: nn.Module) -> Iterator[None]:
    """Within it, the network is in evaluation mode; afterwards every module is in its own mode again.

    MONAI's `eval_mode` puts all modules of a network in training back to training, frozen ones too.
    """
    modes = {module: module.training for module in network.modules()}
    try:
        network.eval()
        yield
    finally:
        for module, training in modes.items():
            module.training = training
