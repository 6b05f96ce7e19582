"""Dropout: rate, mean, gradient, determinism, and identity where it must not act."""

from __future__ import annotations

import pytest
import torch

from shared.errors import ConfigError
from shared.networks.dropout import Dropout


@pytest.mark.parametrize("p", [0.1, 0.5, 0.9])
@pytest.mark.parametrize("memory_format", [torch.contiguous_format, torch.channels_last])
def test_rate_scale_and_gradient(p: float, memory_format: torch.memory_format) -> None:
    torch.manual_seed(0)
    features = torch.ones(2, 64, 50, 51).to(memory_format=memory_format).requires_grad_()
    output = Dropout(p).train()(features)
    deviation = (p * (1 - p) / features.numel()) ** 0.5
    assert abs(float((output == 0).float().mean()) - p) < 5 * deviation + 1 / 512
    assert abs(float(output.detach().mean()) - 1) < 5 * deviation / (1 - p)
    assert output.stride() == features.stride()
    output.sum().backward()
    assert torch.equal(features.grad, output.detach())


def test_elements_are_dropped_independently() -> None:
    torch.manual_seed(0)
    kept = (Dropout(0.5).train()(torch.ones(1 << 18)) > 0).float() - 0.5
    for lag in (1, 2, 7, 8, 64):
        correlation = float((kept[lag:] * kept[:-lag]).mean() * 4)
        assert abs(correlation) < 5 / (1 << 9)
    by_byte = kept.reshape(-1, 8).mean(dim=0)
    assert (by_byte.abs() < 5 * 0.5 / (1 << 15) ** 0.5).all()


def test_the_default_generator_decides() -> None:
    dropout, features = Dropout(0.5).train(), torch.ones(3, 5, 7, 9)
    torch.manual_seed(1)
    first, second = dropout(features), dropout(features)
    torch.manual_seed(1)
    assert torch.equal(dropout(features), first)
    assert not torch.equal(first, second)


def test_identity_in_evaluation_and_at_zero() -> None:
    features = torch.randn(3, 4)
    assert Dropout(0.5).eval()(features) is features
    assert Dropout(0.0).train()(features) is features


def test_views_that_are_not_dense_and_half_precision() -> None:
    sparse = torch.ones(4, 6, 8, 10)[:, ::2]
    assert set(Dropout(0.5).train()(sparse).unique().tolist()) == {0.0, 2.0}
    half = Dropout(0.5).train()(torch.ones(4, 6, dtype=torch.bfloat16).repeat(9, 9))
    assert half.dtype == torch.bfloat16
    assert set(half.unique().tolist()) == {0.0, 2.0}


def test_scripted_dropout_drops_at_the_same_rate() -> None:
    torch.manual_seed(0)
    output = torch.jit.script(Dropout(0.25).train())(torch.ones(1 << 16))
    assert abs(float((output == 0).float().mean()) - 0.25) < 5 * (0.25 * 0.75 / (1 << 16)) ** 0.5
    assert output.max() == 4 / 3


@pytest.mark.parametrize("p", [-0.1, 1.0, 2.0, float("nan")])
def test_impossible_probabilities_are_refused(p: float) -> None:
    with pytest.raises(ConfigError, match="dropout is"):
        Dropout(p)
