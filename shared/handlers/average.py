"""What several processes have to keep equal beside the network's gradients."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
import torch.distributed as dist
from ignite.engine import Engine, Events
from monai.engines import IterationEvents
from torch import nn

from shared.ranks import num_ranks


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
        if num_ranks() == 1:
            return
        for parameter in self.parameters:
            if parameter.grad is None:
                parameter.grad = torch.zeros_like(parameter)
            dist.all_reduce(parameter.grad)
            parameter.grad /= dist.get_world_size()


class ShareBuffers:
    """Gives every rank the main one's buffers (BatchNorm's statistics) before an epoch ends, as it is validated and
    saved: gradients are averaged over ranks, statistics are of each rank's own images.

    Args:
        networks: on every rank the same.
    """

    def __init__(self, *, networks: Sequence[nn.Module]) -> None:
        self.networks = list(networks)

    def attach(self, engine: Engine) -> None:
        """After the last iteration of every epoch."""
        engine.add_event_handler(Events.ITERATION_COMPLETED, self.share_at_end)

    def share_at_end(self, engine: Any) -> None:
        """Share if this was the epoch's last iteration."""
        if engine.state.iteration % engine.state.epoch_length == 0:
            self.share()

    def share(self) -> None:
        """Share now; nothing in a single process."""
        if num_ranks() == 1:
            return
        for network in self.networks:
            for buffer in network.buffers():
                dist.broadcast(buffer, src=0)
