"""Optimisers by name."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import torch
from torch import nn

from shared.choices import check_choice

OPTIMIZERS: dict[str, tuple[type[torch.optim.Optimizer], dict[str, Any]]] = {
    "sgd": (torch.optim.SGD, {"momentum": 0.99}),
    "rmsprop": (torch.optim.RMSprop, {}),
    "adam": (torch.optim.Adam, {}),
    "adamw": (torch.optim.AdamW, {}),
}


def make_optimizer(
    name: str, *, params: Iterable[nn.Parameter], learning_rate: float, weight_decay: float = 0.0
) -> torch.optim.Optimizer:
    """PyTorch's optimiser of that name: "sgd" with momentum 0.99 (Ronneberger et al. 2015), "rmsprop", "adam", "adamw".

    Args:
        name: a key of `OPTIMIZERS`.
        params: what it moves.
        learning_rate, weight_decay: 0 or more; only "adamw" decays apart from the gradient.

    Raises:
        ConfigError: another name.
    """
    check_choice("optimizer_name", name, OPTIMIZERS)
    kind, settings = OPTIMIZERS[name]
    return kind(params, lr=learning_rate, weight_decay=weight_decay, **settings)  # type: ignore[call-arg]
