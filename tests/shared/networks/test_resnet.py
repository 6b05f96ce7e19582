"""Dilated ResNets: torchvision's keys, output strides, and dilation that computes the same values more densely."""

from __future__ import annotations

import pytest
import torch
from monai.networks.nets import resnet
from torch import nn

from shared.errors import ConfigError
from shared.networks.resnet import BACKBONES, DilatedResNet


def torchvision_keys(name: str) -> dict[str, tuple[int, ...]]:
    """Keys and shapes of torchvision's ResNets, written out from the paper's table and torchvision's naming."""
    blocks = {"18": (2, 2, 2, 2), "34": (3, 4, 6, 3), "50": (3, 4, 6, 3), "101": (3, 4, 23, 3), "152": (3, 8, 36, 3)}
    depth = name.removeprefix("resnet")
    expansion = 1 if depth in ("18", "34") else 4
    keys: dict[str, tuple[int, ...]] = {"conv1.weight": (64, 3, 7, 7)}

    def batchnorm(prefix: str, channels: int) -> None:
        keys.update({f"{prefix}.{part}": (channels,) for part in ("weight", "bias", "running_mean", "running_var")})
        keys[f"{prefix}.num_batches_tracked"] = ()

    batchnorm("bn1", 64)
    channels_in = 64
    for stage, count in enumerate(blocks[depth], start=1):
        width = 64 * 2 ** (stage - 1)
        for block in range(count):
            prefix = f"layer{stage}.{block}"
            if expansion == 1:
                shapes = [(width, channels_in, 3, 3), (width, width, 3, 3)]
            else:
                shapes = [(width, channels_in, 1, 1), (width, width, 3, 3), (4 * width, width, 1, 1)]
            for index, shape in enumerate(shapes, start=1):
                keys[f"{prefix}.conv{index}.weight"] = shape
                batchnorm(f"{prefix}.bn{index}", shape[0])
            if channels_in != width * expansion:
                keys[f"{prefix}.downsample.0.weight"] = (width * expansion, channels_in, 1, 1)
                batchnorm(f"{prefix}.downsample.1", width * expansion)
            channels_in = width * expansion
    return keys


@pytest.mark.parametrize("name", BACKBONES)
def test_keys_and_shapes_are_torchvisions(name: str) -> None:
    with torch.device("meta"):
        backbone = DilatedResNet(name, output_stride=8)
    assert {key: tuple(value.shape) for key, value in backbone.state_dict().items()} == torchvision_keys(name)


def test_resnet50_has_318_keys_and_the_two_of_the_classifier_make_320() -> None:
    assert len(torchvision_keys("resnet50")) + 2 == 320


@pytest.mark.parametrize("output_stride", [8, 16, 32])
@pytest.mark.parametrize("size", [(64, 96), (97, 131), (33, 40)])
def test_output_sizes(output_stride: int, size: tuple[int, int]) -> None:
    backbone = DilatedResNet("resnet18", output_stride=output_stride).eval()
    low, high = backbone(torch.randn(1, 3, *size))
    assert low.shape == (1, 64, -(-size[0] // 4), -(-size[1] // 4))
    assert high.shape == (1, 512, -(-size[0] // output_stride), -(-size[1] // output_stride))


@pytest.mark.parametrize(("output_stride", "step"), [(16, 2), (8, 4)])
@pytest.mark.parametrize("name", ["resnet18", "resnet50"])
@pytest.mark.parametrize("size", [(64, 96), (97, 131)])
def test_dilated_map_contains_the_strided_one(name: str, output_stride: int, step: int, size: tuple[int, int]) -> None:
    torch.manual_seed(0)
    strided = DilatedResNet(name, output_stride=32).eval()
    dilated = DilatedResNet(name, output_stride=output_stride).eval()
    dilated.load_state_dict(strided.state_dict())
    image = torch.randn(1, 3, *size)
    with torch.no_grad():
        expected, found = strided(image), dilated(image)
    torch.testing.assert_close(found.low, expected.low)
    torch.testing.assert_close(found.high[..., ::step, ::step], expected.high, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize(
    ("output_stride", "third", "fourth"), [(32, (1, 1), (1, 1)), (16, (1, 1), (1, 2)), (8, (1, 2), (2, 4))]
)
def test_dilations_are_torchvisions(output_stride: int, third: tuple[int, int], fourth: tuple[int, int]) -> None:
    backbone = DilatedResNet("resnet50", output_stride=output_stride)
    for layer, (first, later) in ((backbone.layer3, third), (backbone.layer4, fourth)):
        convolutions = [block.conv2 for block in layer]
        assert [conv.dilation for conv in convolutions] == [(first, first)] + [(later, later)] * (len(layer) - 1)
        assert all(conv.padding == conv.dilation for conv in convolutions)
    dilated = {8: [backbone.layer3, backbone.layer4], 16: [backbone.layer4], 32: []}[output_stride]
    for layer in dilated:
        assert all(module.stride == (1, 1) for module in layer.modules() if isinstance(module, nn.Conv2d))


def test_at_stride_32_it_computes_what_monai_computes() -> None:
    torch.manual_seed(0)
    plain = resnet.resnet34(spatial_dims=2, n_input_channels=3, conv1_t_stride=2, bias_downsample=False, num_classes=7)
    plain.eval()
    backbone = DilatedResNet("resnet34", output_stride=32).eval()
    backbone.load_state_dict({key: value for key, value in plain.state_dict().items() if not key.startswith("fc.")})
    image = torch.randn(2, 3, 70, 90)
    expected = plain.fc(backbone(image).high.mean(dim=(2, 3)))
    torch.testing.assert_close(expected, plain(image), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"name": "resnet51"}, r"'resnet51'[\s\S]*resnet50"),
        ({"output_stride": 4}, r"output_stride is 4[\s\S]*8, 16, 32"),
    ],
)
def test_unknown_architectures_are_refused(arguments: dict[str, object], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        DilatedResNet(**arguments)  # type: ignore[arg-type]
