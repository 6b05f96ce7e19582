"""Weights of tasks: fixed by hand, learned to their closed form, and only if the optimiser has them."""

from __future__ import annotations

import math

import pytest
import torch
from torch import nn

from shared.errors import ConfigError
from shared.losses.weighting import FixedWeights, UncertaintyWeights, all_parameters

LOSSES = {"pet": torch.tensor(0.4), "species": torch.tensor(0.7), "box": torch.tensor(0.1)}


def test_fixed_by_hand() -> None:
    weighting = FixedWeights({"pet": 0.8, "species": 0.1, "box": 0.1})
    assert weighting(LOSSES).item() == pytest.approx(0.8 * 0.4 + 0.1 * 0.7 + 0.1 * 0.1)
    assert weighting({"box": LOSSES["box"]}).item() == pytest.approx(0.01)
    assert not list(weighting.parameters())


def test_uncertainty_by_hand() -> None:
    weighting = UncertaintyWeights(LOSSES, regression=["box"])
    with torch.no_grad():
        weighting.log_variances["pet"].fill_(0.5)
        weighting.log_variances["box"].fill_(-1.0)
    by_hand = math.exp(-0.5) * 0.4 + 0.25 + 0.7 + 0.5 * math.e * 0.1 - 0.5
    assert weighting(LOSSES).item() == pytest.approx(by_hand)
    assert weighting.weights == pytest.approx({"pet": math.exp(-0.5), "species": 1.0, "box": 0.5 * math.e})


def test_learned_weights_reach_their_closed_form() -> None:
    weighting = UncertaintyWeights(LOSSES, regression=["box"])
    optimizer = torch.optim.Adam(weighting.parameters(), 0.05)
    for _ in range(400):
        optimizer.zero_grad()
        weighting(LOSSES).backward()
        optimizer.step()
    found = {name: float(s) for name, s in weighting.log_variances.items()}
    assert found == pytest.approx({"pet": math.log(0.8), "species": math.log(1.4), "box": math.log(0.1)}, abs=1e-3)


def test_the_weights_train_with_the_network_and_without_weight_decay() -> None:
    network, weighting = nn.Linear(2, 2), UncertaintyWeights(["pet", "species"], initial=1.0)
    groups = all_parameters(network, weighting, weight_decay=0.1)
    assert [group["weight_decay"] for group in groups] == [0.1, 0.0]
    optimizer = torch.optim.SGD(groups, 0.1)  # type: ignore[arg-type]
    before = weighting.weights
    outputs = network(torch.ones(1, 2)).squeeze(0)
    weighting({"pet": outputs[0] ** 2, "species": outputs[1] ** 2 + 2}).backward()
    optimizer.step()
    assert all(weighting.weights[name] != before[name] for name in before)
    assert len(all_parameters(network, FixedWeights({"pet": 1.0}))) == 1


def test_a_task_without_label_moves_no_weight() -> None:
    weighting = UncertaintyWeights(["pet", "box"], regression=["box"])
    weighting({"pet": torch.tensor(0.4)}).backward()
    assert weighting.log_variances["box"].grad is None
    assert weighting.log_variances["pet"].grad is not None


@pytest.mark.parametrize("weights", [{}, {"pet": -1.0, "box": 2.0}, {"pet": 0.0}])
def test_fixed_weights_that_cannot_be(weights: dict[str, float]) -> None:
    with pytest.raises(ConfigError, match="task weights"):
        FixedWeights(weights)


def test_losses_and_tasks_must_fit() -> None:
    with pytest.raises(ConfigError, match="breed"):
        FixedWeights({"pet": 1.0})({"breed": torch.tensor(1.0)})
    with pytest.raises(ConfigError, match="no label"):
        UncertaintyWeights(["pet"])({})
    with pytest.raises(ConfigError, match="box"):
        UncertaintyWeights(["pet"], regression=["box"])
