"""Activation maximisation against its closed form, Grad-CAM against its formula."""

from __future__ import annotations

import pytest
import torch
from torch import nn
from torch.nn import functional

from shared.errors import ConfigError
from shared.observatory.features import class_activation, find_layer, layers_of, most_exciting


def network() -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Conv2d(1, 3, 3, padding=1),
        nn.BatchNorm2d(3),
        nn.ReLU(),
        nn.Conv2d(3, 4, 3, stride=2, padding=1),
        nn.ReLU(),
        nn.ConvTranspose2d(4, 2, 2, stride=2),
    )


def test_a_linear_channel_is_excited_most_by_its_own_gradient() -> None:
    """The mean of a convolution is a scalar product with the image; the best image of a length points along it."""
    net = network()
    found = most_exciting(net, layer="0", channel=1, shape=(1, 8, 8), norm=5.0)
    ones = torch.zeros(1, 3, 8, 8)
    ones[:, 1] = 1
    along = functional.conv_transpose2d(ones, net[0].weight.detach(), padding=1)[0]
    torch.testing.assert_close(found, 5 * along / along.norm(), atol=1e-2, rtol=1e-2)


def test_a_deep_channel_is_excited_more_than_by_noise() -> None:
    net = network().train()
    before = {name: value.clone() for name, value in net.state_dict().items()}
    found = most_exciting(net, layer="3", channel=2, shape=(1, 8, 8), norm=5.0, steps=40)
    again = most_exciting(net, layer="3", channel=2, shape=(1, 8, 8), norm=5.0, steps=40)
    assert torch.equal(found, again)
    assert float(found.norm()) == pytest.approx(5)
    net.eval()
    with torch.no_grad():
        noise = torch.randn(200, 1, 8, 8)
        noise *= 5 / noise.flatten(1).norm(dim=1).view(-1, 1, 1, 1)
        best = float(net[:4](noise)[:, 2].mean((1, 2)).max())
        assert float(net[:4](found[None])[0, 2].mean()) > best
    for name, value in net.state_dict().items():
        assert torch.equal(value, before[name])
    assert all(value.grad is None for value in net.parameters())


@pytest.mark.parametrize("index", [0, 1])
def test_grad_cam_is_its_formula(index: int) -> None:
    net = network().eval()
    image = torch.randn(2, 1, 8, 8)
    found = class_activation(net, image, layer="3", class_index=index)
    maps = net[:4](image)
    maps.retain_grad()
    net[4:](maps)[:, index].mean((1, 2)).sum().backward()
    assert maps.grad is not None
    weights = maps.grad.mean((2, 3), keepdim=True)
    expected = (weights * maps).sum(1, keepdim=True).relu()
    expected = functional.interpolate(expected, size=(8, 8), mode="bilinear", align_corners=False)[:, 0].detach()
    assert found.shape == (2, 8, 8)
    torch.testing.assert_close(found, expected, atol=1e-6, rtol=1e-4)
    assert float(found.max()) > 0


def test_layers_and_channels_that_do_not_exist() -> None:
    net = network()
    assert layers_of(net) == ["0", "3", "5"]
    with pytest.raises(ConfigError, match="one of 0, 3, 5"):
        find_layer(net, "7")
    with pytest.raises(ConfigError, match="0 to 3"):
        most_exciting(net, layer="3", channel=4, shape=(1, 8, 8), norm=1.0)
    with torch.no_grad():
        net[0].weight.zero_()
    with pytest.raises(ConfigError, match="does not change with the image"):
        most_exciting(net, layer="0", channel=0, shape=(1, 8, 8), norm=1.0)
