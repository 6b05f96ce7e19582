"""Directions: as long as the network's filters, the same for the same seed."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from shared.errors import ConfigError
from shared.observatory.directions import filter_norms, random_direction, random_plane
from shared.observatory.plane import check_plane, norm, trained_weights
from tests.support.bowl import Bowl


def network() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Conv2d(3, 5, 3), nn.BatchNorm2d(5), nn.ReLU(), nn.ConvTranspose2d(5, 4, 2), nn.Flatten(), nn.Linear(4, 2)
    )


@pytest.mark.parametrize("vectors", ["still", "scaled"])
def test_filters_are_as_long_as_the_networks(vectors: str) -> None:
    net = network()
    direction = random_direction(net, generator=torch.Generator().manual_seed(3), vectors=vectors)
    weights = trained_weights(net)
    for row in range(5):  # by hand: output channels of a convolution, of a transposed one, units
        assert float(direction["0.weight"][row].norm()) == pytest.approx(float(weights["0.weight"][row].norm()))
    for row in range(4):
        found, expected = (tensors["3.weight"][:, row].norm() for tensors in (direction, weights))
        assert float(found) == pytest.approx(float(expected))
    for row in range(2):
        assert float(direction["5.weight"][row].norm()) == pytest.approx(float(weights["5.weight"][row].norm()))
    for name in ("0.bias", "1.weight", "1.bias", "3.bias", "5.bias"):
        expected_norm = float(weights[name].norm()) if vectors == "scaled" else 0.0
        assert float(direction[name].norm()) == pytest.approx(expected_norm)
    own, others = filter_norms(weights, net), filter_norms(direction, net)
    assert {name: len(norms) for name, norms in own.items() if norms.numel() > 1} == {
        "0.weight": 5,
        "3.weight": 4,
        "5.weight": 2,
    }
    torch.testing.assert_close(others["3.weight"], own["3.weight"])


def test_on_the_bowl_the_direction_is_noise_over_its_norm() -> None:
    net = Bowl()
    direction = random_direction(net, generator=torch.Generator().manual_seed(5))
    noise = torch.randn(3, 2, generator=torch.Generator().manual_seed(5))
    for row in range(3):
        expected = noise[row] / noise[row].norm() * net.weight[row].norm()
        torch.testing.assert_close(direction["weight"][row], expected.detach())
    assert norm(direction) == pytest.approx(float(net.weight.norm()))


def test_same_seed_same_plane() -> None:
    one, same, other = (random_plane(network(), seed=seed) for seed in (1, 1, 2))
    for name in one.centre:
        assert torch.equal(one.first[name], same.first[name])
        assert torch.equal(one.second[name], same.second[name])
    assert not torch.equal(one.first["0.weight"], other.first["0.weight"])
    assert not torch.equal(one.first["0.weight"], one.second["0.weight"])


def test_a_filter_of_zeros_stays() -> None:
    net = network()
    with torch.no_grad():
        net[0].weight[2].zero_()
    direction = random_direction(net, generator=torch.Generator().manual_seed(0))
    assert not direction["0.weight"][2].any()


def test_planes_and_words_that_do_not_fit() -> None:
    plane = random_plane(network(), seed=0)
    with pytest.raises(ConfigError, match=r"0\.bias is not known"):
        check_plane(plane, nn.Sequential(nn.Conv2d(3, 5, 3, bias=False)))
    other = network()
    other[5] = nn.Linear(4, 3)
    with pytest.raises(ConfigError, match=r"5\.weight is \(2, 4\), the network's \(3, 4\)"):
        check_plane(plane, other)
    with pytest.raises(ConfigError, match="one of still, scaled"):
        random_plane(network(), seed=0, vectors="unscaled")
