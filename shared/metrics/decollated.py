"""The base of metrics of an evaluator whose post-processing has decollated its batch."""

from __future__ import annotations

from typing import Any

import torch
from ignite.engine import Engine
from ignite.metrics import Metric


class DecollatedMetric(Metric):
    """Each image of an iteration goes to ``update`` by itself, as a pair (output, batch) of dictionaries."""

    @torch.no_grad()
    def iteration_completed(self, engine: Engine) -> None:
        state: Any = engine.state
        for pair in zip(state.output, state.batch, strict=True):
            self.update(pair)
