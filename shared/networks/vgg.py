"""VGG encoders with BatchNorm for MONAI's FlexibleUNet.

Source: Simonyan and Zisserman, "Very Deep Convolutional Networks for Large-Scale Image Recognition", ICLR 2015, tables
A, B, D and E; parameter names equal torchvision's (BSD-3), less the classifier.
"""

from __future__ import annotations

from typing import Any

from monai.networks.blocks import BaseEncoder
from torch import Tensor, nn

STAGES = {
    "vgg11_bn": (1, 1, 2, 2, 2),
    "vgg13_bn": (2, 2, 2, 2, 2),
    "vgg16_bn": (2, 2, 3, 3, 3),
    "vgg19_bn": (2, 2, 4, 4, 4),
}
CHANNELS = (64, 128, 256, 512, 512)


class VGGEncoder(nn.Module, BaseEncoder):
    """[B,C,H,W] -> maps of 128, 256, 512, 512, 512 channels at strides 2, 4, 8, 16, 32.

    The four finer maps are those before a pooling layer, the coarsest is the one after the last. The 64-channel map at
    full size is not given: FlexibleUNet takes none there.

    Args:
        name: a key of `STAGES`.
        in_channels: C.
        spatial_dims: 2.
        pretrained: False; see `shared.networks.weights.load_imagenet`.
    """

    first_convolution = "features.0.weight"

    def __init__(self, *, name: str, in_channels: int = 1, spatial_dims: int = 2, pretrained: bool = False) -> None:
        super().__init__()
        self.name = name
        layers: list[nn.Module] = []
        before = in_channels
        for count, channels in zip(STAGES[name], CHANNELS, strict=True):
            for _ in range(count):
                layers += [nn.Conv2d(before, channels, 3, padding=1), nn.BatchNorm2d(channels), nn.ReLU(inplace=True)]
                before = channels
            layers.append(nn.MaxPool2d(2))
        self.features = nn.Sequential(*layers)
        self.pools = [index for index, layer in enumerate(layers) if isinstance(layer, nn.MaxPool2d)]
        for layer in self.features:
            if isinstance(layer, nn.Conv2d) and layer.bias is not None:
                nn.init.kaiming_normal_(layer.weight, mode="fan_out", nonlinearity="relu")
                nn.init.zeros_(layer.bias)

    def forward(self, image_BCHW: Tensor) -> list[Tensor]:
        maps: list[Tensor] = []
        out = image_BCHW
        for index, layer in enumerate(self.features):
            if index in self.pools:
                maps.append(out)
            out = layer(out)
        maps.append(out)
        return maps[1:]

    @classmethod
    def get_encoder_parameters(cls) -> list[dict[str, Any]]:
        """Arguments of each encoder, which FlexibleUNet completes."""
        return [{"name": name, "in_channels": 1, "spatial_dims": 2, "pretrained": False} for name in STAGES]

    @classmethod
    def num_channels_per_output(cls) -> list[tuple[int, ...]]:
        """Channels of the five maps, for each encoder."""
        return [(*CHANNELS[1:], CHANNELS[-1])] * len(STAGES)

    @classmethod
    def num_outputs(cls) -> list[int]:
        """Five maps, for each encoder."""
        return [5] * len(STAGES)

    @classmethod
    def get_encoder_names(cls) -> list[str]:
        """Names in FlexibleUNet's register."""
        return list(STAGES)
