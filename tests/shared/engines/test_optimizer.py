"""Optimisers by name against a step worked out by hand."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from shared.engines import make_optimizer
from shared.errors import ConfigError

GRADIENT = torch.tensor([0.5, -2.0])


def steps(name: str, *, number: int, weight_decay: float = 0.0) -> torch.Tensor:
    """Where [1, 1] is after steps of rate .1 along one gradient."""
    weight = nn.Parameter(torch.ones(2))
    optimizer = make_optimizer(name, params=[weight], learning_rate=0.1, weight_decay=weight_decay)
    for _ in range(number):
        weight.grad = GRADIENT.clone()
        optimizer.step()
    return weight.detach()


def test_two_steps() -> None:
    torch.testing.assert_close(steps("sgd", number=2), 1 - 0.1 * GRADIENT * (1 + 1.99))
    first = GRADIENT / (0.01 * GRADIENT**2).sqrt()
    second = GRADIENT / ((0.99 * 0.01 + 0.01) * GRADIENT**2).sqrt()
    torch.testing.assert_close(steps("rmsprop", number=2), 1 - 0.1 * (first + second), rtol=1e-5, atol=1e-6)
    for name in ("adam", "adamw"):
        torch.testing.assert_close(steps(name, number=2), 1 - 0.2 * GRADIENT.sign(), rtol=1e-5, atol=1e-6)


def test_only_adamw_decays_apart_from_the_gradient() -> None:
    torch.testing.assert_close(steps("adamw", number=1, weight_decay=0.5), 0.95 - 0.1 * GRADIENT.sign())
    torch.testing.assert_close(steps("adam", number=1, weight_decay=0.5), 1 - 0.1 * GRADIENT.sign())
    torch.testing.assert_close(steps("sgd", number=1, weight_decay=0.5), 1 - 0.1 * (GRADIENT + 0.5))


def test_another_name_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"one of sgd, rmsprop, adam, adamw[\s\S]*did you mean 'adam'"):
        make_optimizer("adm", params=[nn.Parameter(torch.ones(1))], learning_rate=0.1)
