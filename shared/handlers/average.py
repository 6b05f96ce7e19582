"""Parameters beside the network that several processes train together."""

from __future__ import annotations

from typing import Any

import torch
import torch.distributed as dist
from ignite.engine import Engine
from monai.engines import IterationEvents
from torch import nn


class AverageGradients:
    """Averages the gradients of a module over all processes before every step, as DistributedDataParallel does for the
    network: of a loss with learned weights, which would else drift apart.

    A parameter without a gradient in one process (a task without a label) counts there as 0.

    Args:
        module: with or without parameters.
    """

    def __init__(self, *, module: nn.Module) -> None:
        self.parameters = [parameter for parameter in module.parameters() if parameter.requires_grad]

    def attach(self, engine: Engine) -> None:
        """After every backward pass."""
        engine.add_event_handler(IterationEvents.BACKWARD_COMPLETED, self.average)

    def average(self, engine: Any = None) -> None:
        """Average now; nothing in a single process."""
        if not (dist.is_available() and dist.is_initialized()):
            return
        for parameter in self.parameters:
            if parameter.grad is None:
                parameter.grad = torch.zeros_like(parameter)
            dist.all_reduce(parameter.grad)
            parameter.grad /= dist.get_world_size()
