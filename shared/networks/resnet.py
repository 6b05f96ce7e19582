"""ResNet backbones whose last strides are replaced by dilation.

Source: He et al., "Deep Residual Learning for Image Recognition", CVPR 2016, as built by MONAI (Apache-2.0); dilation
as in torchvision's ``replace_stride_with_dilation`` (BSD-3), here for basic blocks as well.
"""

from __future__ import annotations

from typing import NamedTuple

from monai.networks.nets import resnet
from torch import Tensor, nn

from shared.errors import ConfigError

BACKBONES = ("resnet18", "resnet34", "resnet50", "resnet101", "resnet152")
OUTPUT_STRIDES = (8, 16, 32)


class Features(NamedTuple):
    """``low`` [B,C',H/4,W/4] after the first stage; ``high`` [B,C,H/s,W/s] after the last, s the output stride."""

    low: Tensor
    high: Tensor


class DilatedResNet(nn.Module):
    """A ResNet without its classifier: photographs [B,3,H,W] -> `Features`.

    Parameter names equal torchvision's, less ``fc``. The 3x3 convolution that loses its stride keeps the dilation
    before it, every later one is dilated: so the map at output stride 16, taken at every second row and column, equals
    the map at output stride 32.

    Args:
        name: ``resnet18``, ``resnet34``, ``resnet50``, ``resnet101`` or ``resnet152``.
        output_stride: 8, 16 or 32.

    Attributes:
        channels, low_channels: C and C' (2048 and 256 with bottlenecks, else 512 and 64).

    Raises:
        ConfigError: for another name or output stride.
    """

    def __init__(self, name: str = "resnet50", *, output_stride: int = 16) -> None:
        super().__init__()
        if name not in BACKBONES:
            raise ConfigError(f"backbone is {name!r}", expected=f"one of {BACKBONES}", fix="correct `backbone`")
        if output_stride not in OUTPUT_STRIDES:
            raise ConfigError(
                f"output_stride is {output_stride!r}",
                expected=f"one of {OUTPUT_STRIDES}",
                fix="correct `output_stride`",
            )
        source = getattr(resnet, name)(
            spatial_dims=2,
            n_input_channels=3,
            conv1_t_stride=2,
            shortcut_type="B",
            bias_downsample=False,
            feed_forward=False,
        )
        self.name, self.output_stride = name, output_stride
        self.conv1, self.bn1, self.act, self.maxpool = source.conv1, source.bn1, source.act, source.maxpool
        self.layer1, self.layer2, self.layer3, self.layer4 = source.layer1, source.layer2, source.layer3, source.layer4
        expansion = type(source.layer1[0]).expansion
        self.low_channels, self.channels = 64 * expansion, 512 * expansion
        dilation = 1
        for stride, layer in ((16, self.layer3), (32, self.layer4)):
            if stride > output_stride:
                dilate(layer, before=dilation)
                dilation *= 2

    def forward(self, image_B3HW: Tensor) -> Features:
        low = self.layer1(self.maxpool(self.act(self.bn1(self.conv1(image_B3HW)))))
        return Features(low, self.layer4(self.layer3(self.layer2(low))))


def dilate(layer: nn.Module, *, before: int) -> None:
    """Replace the stride of a stage by twice the dilation ``before``, in place."""
    for module in layer.modules():
        if isinstance(module, nn.Conv2d):
            strided, module.stride = module.stride != (1, 1), (1, 1)
            if module.kernel_size == (3, 3):
                dilation = before if strided else 2 * before
                module.dilation = module.padding = (dilation, dilation)
