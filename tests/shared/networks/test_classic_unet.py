"""The classic U-Net: published size and number of parameters, borders, any size; the padded one in its place."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from torch import nn
from torch.nn import functional

from shared.errors import ConfigError
from shared.networks import ClassicUNet, PaddedUNet, make_disc_unet

NARROW = (2, 3, 4, 5, 6)


def count(network: nn.Module) -> int:
    return sum(parameter.numel() for parameter in network.parameters())


def test_parameters_are_those_published() -> None:
    with torch.device("meta"):
        assert count(ClassicUNet()) == 7_760_130


def test_572_in_388_out() -> None:
    with torch.device("meta"), torch.no_grad():
        network = ClassicUNet()
        assert network.unpadded(torch.rand(1, 3, 572, 572)).shape == (1, 2, 388, 388)
        assert network.lost == 572 - 388


@pytest.mark.parametrize("channels", [(2, 3), (2, 3, 4), (2, 3, 4, 5), NARROW])
@pytest.mark.parametrize("border", ["edge", "mirror"])
def test_any_size_comes_out_as_it_went_in(channels: tuple[int, ...], border: str) -> None:
    network = ClassicUNet(channels=channels, num_classes=3, border=border)
    smallest = 1 if border == "edge" else 120
    with torch.no_grad():
        for height, width in [(smallest, smallest + 1), (smallest + 17, smallest + 2), (131, 150)]:
            assert network(torch.rand(1, 3, height, width)).shape == (1, 3, height, width)


@pytest.mark.parametrize(("border", "mode"), [("edge", "edge"), ("mirror", "reflect")])
def test_the_border_is_what_numpy_pads(border: str, mode: Any) -> None:
    import numpy as np

    network = ClassicUNet(channels=NARROW, border=border)
    image = torch.rand(1, 3, 116, 132)
    padded = np.pad(image.numpy(), [(0, 0), (0, 0), (92, 92), (92, 92)], mode=mode)
    with torch.no_grad():
        torch.testing.assert_close(network(image), network.unpadded(torch.from_numpy(padded)))


def test_a_tile_has_the_logits_of_the_whole() -> None:
    """Overlap-tile: unpadded, the middle does not depend on where the tile was cut (in steps of the pooling)."""
    torch.manual_seed(0)
    network = ClassicUNet(channels=NARROW)
    image = torch.rand(1, 3, 284, 284)
    with torch.no_grad():
        whole, tile = network.unpadded(image), network.unpadded(image[:, :, 32:252, 16:236])
    assert tile.shape[2:] == (36, 36)
    torch.testing.assert_close(tile, whole[:, :, 32:68, 16:52])
    assert not torch.allclose(tile, whole[:, :, 31:67, 16:52], atol=1e-4)


def test_two_levels_against_the_same_written_out() -> None:
    torch.manual_seed(0)
    network = ClassicUNet(channels=(2, 4))
    image = torch.rand(1, 3, 24, 24)
    top, bottom, merge = network.down[0], network.down[1], network.merge[0]
    first = functional.relu(top[2](functional.relu(top[0](image))))
    second = functional.relu(bottom[2](functional.relu(bottom[0](functional.max_pool2d(first, 2)))))
    joined = torch.cat([first[:, :, 4:16, 4:16], network.up[0](second)], dim=1)
    expected = network.classify(functional.relu(merge[2](functional.relu(merge[0](joined)))))
    torch.testing.assert_close(network.unpadded(image), expected)
    assert expected.shape[2:] == (8, 8)


def test_initial_deviations_are_those_of_he() -> None:
    torch.manual_seed(0)
    network = ClassicUNet()
    for module in network.modules():
        if isinstance(module, (nn.Conv2d, nn.ConvTranspose2d)) and module.weight.numel() > 20_000:
            fan_in = module.in_channels * (9 if isinstance(module, nn.Conv2d) else 1)
            assert float(module.weight.std()) == pytest.approx(math.sqrt(2 / fan_in), rel=0.03)
            assert module.bias is not None
            assert not module.bias.any()


@pytest.mark.parametrize("size", [(1, 1), (16, 33), (50, 47)])
def test_the_padded_network_takes_any_size(size: tuple[int, int]) -> None:
    network = PaddedUNet(channels=NARROW, num_classes=3).eval()
    with torch.no_grad():
        assert network(torch.rand(2, 3, *size)).shape == (2, 3, *size)


def test_the_padded_network_is_monais() -> None:
    from monai.networks.nets import UNet

    network = PaddedUNet(channels=NARROW).eval()
    assert isinstance(network.unet, UNet)
    image = torch.rand(1, 3, 32, 48)
    with torch.no_grad():
        torch.testing.assert_close(network(image), network.unet(image))
        wider = functional.pad(image[:, :, :30, :41], [0, 7, 0, 2], mode="replicate")
        torch.testing.assert_close(network(image[:, :, :30, :41]), network.unet(wider)[:, :, :30, :41])


@pytest.mark.parametrize("architecture", ["classic", "padded"])
def test_both_are_chosen_by_key_learn_and_can_be_scripted(architecture: str) -> None:
    torch.manual_seed(0)
    network = make_disc_unet(architecture, channels=(4, 6, 8))
    image = torch.rand(2, 3, 21, 30)
    functional.cross_entropy(network(image), torch.randint(0, 2, (2, 21, 30))).backward()
    assert [name for name, parameter in network.named_parameters() if parameter.grad is None] == []
    network.eval()
    with torch.no_grad():
        torch.testing.assert_close(torch.jit.script(network)(image), network(image))


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"backbone": "clasic"}, r"one of classic, padded[\s\S]*did you mean 'classic'"),
        ({"border": "mirrored"}, r"one of edge, mirror[\s\S]*did you mean 'mirror'"),
        ({"num_classes": 1}, r"two classes"),
        ({"channels": (32,)}, r"two levels"),
        ({"backbone": "padded", "in_channels": 0}, r"at least one channel"),
    ],
)
def test_bad_settings(settings: dict, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        make_disc_unet(**settings)


def test_an_image_too_small_to_be_mirrored_says_so() -> None:
    with pytest.raises(ConfigError, match=r"80 x 300[\s\S]*the border `edge`"):
        ClassicUNet(channels=NARROW, border="mirror")(torch.rand(1, 3, 80, 300))
