"""Handlers whose action is a pure function of the position in training, so that a resumed run repeats it."""

from __future__ import annotations

import hashlib
from typing import Any, Protocol

import torch
from ignite.engine import Engine, Events


class EpochSampler(Protocol):
    """A batch sampler that can start anywhere."""

    def set_epoch(self, epoch: int, *, start_batch: int = 0) -> None:
        """Start at a batch of an epoch (both counted from 0)."""


class ReproducibleSteps:
    """Makes every iteration's random numbers a function of (seed, iteration): dropout and data order resume exactly.

    Args:
        seed: of the run.
        sampler: told the epoch, and the batch in it where a resumed run starts.
    """

    def __init__(self, *, seed: int, sampler: EpochSampler) -> None:
        self.seed, self.sampler = seed, sampler

    def attach(self, engine: Engine) -> None:
        """Position the sampler at every epoch, seed at every iteration."""
        engine.add_event_handler(Events.EPOCH_STARTED, self.position)
        engine.add_event_handler(Events.ITERATION_STARTED, self.reseed)

    def position(self, engine: Any) -> None:
        """Tell the sampler where it is."""
        epoch = engine.state.epoch - 1
        start = engine.state.iteration - epoch * engine.state.epoch_length
        self.sampler.set_epoch(epoch, start_batch=start)

    def reseed(self, engine: Engine) -> None:
        """Seed PyTorch for this iteration."""
        text = f"{self.seed}/{engine.state.iteration}".encode()
        torch.manual_seed(int.from_bytes(hashlib.blake2b(text, digest_size=6).digest(), "little"))


class RoutingSchedule:
    """Uses all experts at first and the sparse rule afterwards (published: dense for the first half).

    Args:
        network: has `set_routing_rule(rule)`; networks without gates are left alone.
        rule: the rule after the dense phase, "top_p" or "top_k".
        dense_epochs: number of epochs with all experts.
    """

    def __init__(self, *, network: Any, rule: str, dense_epochs: int) -> None:
        self.network, self.rule, self.dense_epochs = network, rule, dense_epochs

    def attach(self, engine: Engine) -> None:
        """Set the rule at every epoch."""
        engine.add_event_handler(Events.EPOCH_STARTED, self.choose)

    def choose(self, engine: Engine) -> None:
        """Set the training rule of this epoch."""
        if hasattr(self.network, "set_routing_rule"):
            self.network.set_routing_rule("dense" if engine.state.epoch <= self.dense_epochs else self.rule)
