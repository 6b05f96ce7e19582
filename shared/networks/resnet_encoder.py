"""ResNet encoders for MONAI's FlexibleUNet whose ImageNet files load strictly.

MONAI registers ResNet encoders of its own; its 18 and 34 have parameter-free, detached shortcuts, which no ImageNet
file fits and through which no gradient flows. These have torchvision's layout in every size and stand beside them under
names of their own.

Source: He et al., "Deep Residual Learning for Image Recognition", CVPR 2016, as built by MONAI (Apache-2.0).
"""

from __future__ import annotations

from typing import Any

from monai.networks.blocks import BaseEncoder
from monai.networks.nets.resnet import ResNet, get_inplanes
from torch import Tensor

# block, blocks per stage, share of the channels; the last two are for CPUs, and no ImageNet weights exist for them.
SIZES: dict[str, tuple[str, list[int], float]] = {
    "resnet18": ("basic", [2, 2, 2, 2], 1.0),
    "resnet34": ("basic", [3, 4, 6, 3], 1.0),
    "resnet50": ("bottleneck", [3, 4, 6, 3], 1.0),
    "resnet101": ("bottleneck", [3, 4, 23, 3], 1.0),
    "resnet152": ("bottleneck", [3, 8, 36, 3], 1.0),
    "resnet10": ("basic", [1, 1, 1, 1], 1.0),
    "resnet10_narrow": ("basic", [1, 1, 1, 1], 0.25),
}
PREFIX = "imagenet_"


class ResNetEncoder(ResNet, BaseEncoder):
    """[B,C,H,W] -> maps at strides 2, 4, 8, 16, 32; 64, 256, 512, 1024, 2048 channels for ResNet-50.

    Args:
        name: a key of `SIZES`.
        in_channels: C.
        spatial_dims: 2.
        pretrained: False; see `shared.networks.weights.load_imagenet`.
    """

    first_convolution = "conv1.weight"

    def __init__(self, *, name: str, in_channels: int = 1, spatial_dims: int = 2, pretrained: bool = False) -> None:
        block, layers, share = SIZES[name]
        super().__init__(
            block=block,
            layers=layers,
            block_inplanes=get_inplanes(),
            spatial_dims=2,
            n_input_channels=in_channels,
            conv1_t_stride=2,
            shortcut_type="B",
            widen_factor=share,
            bias_downsample=False,
            feed_forward=False,
        )
        self.name = name

    def forward(self, image_BCHW: Tensor) -> list[Tensor]:  # type: ignore[override]
        stem = self.act(self.bn1(self.conv1(image_BCHW)))
        first = self.layer1(self.maxpool(stem))
        second = self.layer2(first)
        third = self.layer3(second)
        return [stem, first, second, third, self.layer4(third)]

    @classmethod
    def get_encoder_parameters(cls) -> list[dict[str, Any]]:
        """Arguments of each encoder, which FlexibleUNet completes."""
        return [{"name": name, "in_channels": 1, "spatial_dims": 2, "pretrained": False} for name in SIZES]

    @classmethod
    def num_channels_per_output(cls) -> list[tuple[int, ...]]:
        """Channels of the five maps, for each encoder."""
        found = []
        for block, _, share in SIZES.values():
            planes = [int(channels * share) for channels in get_inplanes()]
            expansion = 4 if block == "bottleneck" else 1
            found.append((planes[0], *(channels * expansion for channels in planes)))
        return found

    @classmethod
    def num_outputs(cls) -> list[int]:
        """Five maps, for each encoder."""
        return [5] * len(SIZES)

    @classmethod
    def get_encoder_names(cls) -> list[str]:
        """Names in FlexibleUNet's register."""
        return [PREFIX + name for name in SIZES]
