"""U-Nets: torchvision's keys in their encoders, sizes, skip connections, perturbed decoding, scripting."""

from __future__ import annotations

import pytest
import torch
from monai.networks.nets.flexible_unet import FLEXUNET_BACKBONE
from torch import nn

from shared.errors import ConfigError
from shared.networks import SegmentationUNet
from shared.networks.unet import ENCODERS
from shared.networks.vgg import CHANNELS, STAGES
from tests.shared.networks.test_resnet import torchvision_keys

RESNETS = [name for name in ENCODERS if name.startswith("resnet") and not name.startswith("resnet10")] + ["resnet101"]


def vgg_keys(name: str) -> dict[str, tuple[int, ...]]:
    """Keys and shapes of torchvision's VGGs with BatchNorm, counted through the paper's table: convolution, BatchNorm
    and ReLU take three places of ``features``, a pooling layer one."""
    keys: dict[str, tuple[int, ...]] = {}
    place, before = 0, 3
    for count, channels in zip(STAGES[name], CHANNELS, strict=True):
        for _ in range(count):
            keys |= {f"features.{place}.weight": (channels, before, 3, 3), f"features.{place}.bias": (channels,)}
            for part in ("weight", "bias", "running_mean", "running_var"):
                keys[f"features.{place + 1}.{part}"] = (channels,)
            keys[f"features.{place + 1}.num_batches_tracked"] = ()
            place, before = place + 3, channels
        place += 1
    return keys


@pytest.mark.parametrize("name", [*RESNETS, *STAGES])
def test_encoder_keys_are_torchvisions(name: str) -> None:
    with torch.device("meta"):
        encoder = SegmentationUNet(backbone=name, in_channels=3).encoder
    expected = torchvision_keys(name) if name.startswith("resnet") else vgg_keys(name)
    assert {key: tuple(value.shape) for key, value in encoder.state_dict().items()} == expected


def test_vgg19_has_the_53_layers_of_torchvision() -> None:
    """Its last BatchNorm is `features.50`, known from the published file."""
    assert max(int(key.split(".")[1]) for key in vgg_keys("vgg19_bn")) == 50
    assert sum(key.endswith("running_var") for key in vgg_keys("vgg19_bn")) == 16


@pytest.mark.parametrize("name", ENCODERS)
def test_registered_channels_are_those_of_the_maps(name: str) -> None:
    with torch.device("meta"):
        network = SegmentationUNet(backbone=name).eval()
        maps = network.encoder(torch.rand(1, 1, 64, 96))
    registered = FLEXUNET_BACKBONE.register_dict[name if name in STAGES else f"imagenet_{name}"]
    assert tuple(one.shape[1] for one in maps) == tuple(registered["feature_channel"])
    assert [tuple(one.shape[2:]) for one in maps] == [(64 // s, 96 // s) for s in (2, 4, 8, 16, 32)]


def test_monais_own_encoders_are_still_there() -> None:
    assert FLEXUNET_BACKBONE.register_dict["resnet18"]["type"].__module__.startswith("monai")


@pytest.mark.parametrize(("channels", "classes"), [(1, 4), (1, 2), (5, 3)])
@pytest.mark.parametrize("name", ["resnet10_narrow", "vgg11_bn"])
def test_logits_have_the_images_size(name: str, channels: int, classes: int) -> None:
    network = SegmentationUNet(backbone=name, in_channels=channels, num_classes=classes).eval()
    with torch.no_grad():
        assert network(torch.rand(2, channels, 32, 64)).shape == (2, classes, 32, 64)


def test_every_map_of_the_encoder_and_every_parameter_gets_a_gradient() -> None:
    network = SegmentationUNet(backbone="resnet18")
    network(torch.rand(2, 1, 64, 64)).square().mean().backward()
    without = [name for name, parameter in network.named_parameters() if parameter.grad is None]
    assert without == []


def test_an_offset_and_a_scale_of_grey_values_are_taken_out() -> None:
    network = SegmentationUNet(backbone="resnet10_narrow").eval()
    plain = network.encoder(torch.zeros(1, 1, 32, 32))
    seen: list[torch.Tensor] = []
    network.encoder.register_forward_pre_hook(lambda module, inputs: seen.append(inputs[0]))
    with torch.no_grad():
        network(torch.full((1, 1, 32, 32), 0.449))
    torch.testing.assert_close(seen[0], torch.zeros(1, 1, 32, 32), atol=1e-6, rtol=0)
    assert len(plain) == 5


@pytest.mark.parametrize("size", [(32, 40), (250, 256), (16, 32)])
def test_sizes_that_32_does_not_divide_are_refused(size: tuple[int, int]) -> None:
    with pytest.raises(ConfigError, match=rf"{size[0]} x {size[1]}[\s\S]*--image_size"):
        SegmentationUNet(backbone="resnet10_narrow")(torch.rand(1, 1, *size))


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"backbone": "resnet5"}, r"did you mean 'resnet50'"),
        ({"backbone": "transformer"}, r"one of resnet18"),
        ({"num_classes": 1}, r"at least two classes"),
        ({"in_channels": 0}, r"correct `num_classes` or `neighbours`"),
    ],
)
def test_bad_settings(settings: dict, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        SegmentationUNet(**settings)


def test_perturbed_rows_are_decoded_once_more_without_channels() -> None:
    torch.manual_seed(0)
    network = SegmentationUNet(backbone="resnet10_narrow").eval()
    image = torch.rand(3, 1, 32, 32)
    with torch.no_grad():
        plain = network(image)
        both = network(image, torch.tensor([2, 0]))
        network.feature_dropout = 0.0
        undisturbed = network(image, torch.tensor([2, 0]))
    assert both.shape == (5, 4, 32, 32)
    torch.testing.assert_close(both[:3], plain)
    assert not torch.allclose(both[3:], plain[[2, 0]], atol=1e-3)
    torch.testing.assert_close(undisturbed[3:], plain[[2, 0]])


def test_whole_channels_of_every_map_are_dropped_and_the_rest_scaled() -> None:
    torch.manual_seed(0)
    network = SegmentationUNet(backbone="resnet18").eval()
    seen: list[list[torch.Tensor]] = []
    network.decoder.register_forward_pre_hook(lambda module, inputs: seen.append(inputs[0]))
    with torch.no_grad():
        network(torch.rand(2, 1, 64, 64), torch.tensor([1]))
    for one in seen[0]:
        original, perturbed = one[1], one[2]
        alive = original.flatten(1).any(dim=1)
        dropped = ~perturbed.flatten(1).any(dim=1)
        assert 0.25 < float(dropped[alive].float().mean()) < 0.75
        torch.testing.assert_close(perturbed[~dropped], 2 * original[~dropped])


@pytest.mark.parametrize("name", ["resnet10_narrow", "vgg11_bn"])
def test_scripted_networks_give_the_same(name: str) -> None:
    network = SegmentationUNet(backbone=name).eval()
    image = torch.rand(1, 1, 32, 32)
    with torch.no_grad():
        torch.testing.assert_close(torch.jit.script(network)(image), network(image))


def test_the_narrow_network_is_small() -> None:
    network = SegmentationUNet(backbone="resnet10_narrow")
    assert sum(parameter.numel() for parameter in network.parameters()) < 500_000
    assert isinstance(network.segmentation_head, nn.Module)
