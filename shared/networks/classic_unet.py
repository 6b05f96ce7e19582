"""The classic U-Net with unpadded convolutions, and a padded one of MONAI, one to be taken for the other.

Dimensions: B batch, C input channels, K classes, H W rows and columns.

Source: Ronneberger et al., "U-Net", MICCAI 2015 (figure 2), with half its channels; overlap-tile strategy ibid.,
section 2. Initial weights: He et al., "Delving Deep into Rectifiers", ICCV 2015, by fan-in.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from monai.networks.nets import UNet
from torch import Tensor, nn
from torch.nn import functional

from shared.choices import check_choice
from shared.errors import ConfigError

CHANNELS = (32, 64, 128, 256, 512)
BORDERS = ("edge", "mirror")


class ClassicUNet(nn.Module):
    """Photographs [B,C,H,W] -> logits [B,K,H,W], for any H and W.

    1. The image is continued on all sides, so that what the unpadded convolutions take away is what was added. 2. At
    every level two 3x3 convolutions, each followed by ReLU and taking a pixel off each side; maxima of 2x2 between
    levels. 3. On the way up transposed convolutions, the cropped map of the way down beside theirs, two convolutions.

    Without BatchNorm, as published. `unpadded` gives the bare network: 572 x 572 in, 388 x 388 out.

    Args:
        in_channels: C.
        num_classes: K, background included.
        channels: of every level; at least two.
        border: what the image is continued with: ``"edge"``, its last row or column; ``"mirror"``, its reflection,
            as in the paper, which needs an image larger than what is added (92 pixels or more).

    Raises:
        ConfigError: counts or a border that cannot be.
    """

    from_scratch = True

    def __init__(
        self,
        *,
        in_channels: int = 3,
        num_classes: int = 2,
        channels: Sequence[int] = CHANNELS,
        border: str = "edge",
    ) -> None:
        super().__init__()
        _check_counts(in_channels, num_classes, channels)
        check_choice("border", border, BORDERS)
        self.levels, self.num_classes, self.border = len(channels), num_classes, border
        self.step = 2 ** (self.levels - 1)
        self.lost = 12 * self.step - 8
        before = (in_channels, *channels[:-1])
        self.down = nn.ModuleList(_convolutions(a, b) for a, b in zip(before, channels, strict=True))
        self.up = nn.ModuleList(
            nn.ConvTranspose2d(deeper, width, kernel_size=2, stride=2)
            for width, deeper in zip(channels[-2::-1], channels[:0:-1], strict=True)
        )
        self.merge = nn.ModuleList(_convolutions(2 * width, width) for width in channels[-2::-1])
        self.classify = nn.Conv2d(channels[0], num_classes, kernel_size=1)
        self.apply(_initialise)

    def forward(self, image_BCHW: Tensor) -> Tensor:
        """Logits of the image's size.

        Raises:
            ConfigError: the image is too small to be mirrored.
        """
        height, width = image_BCHW.shape[2], image_BCHW.shape[3]
        top, bottom = self._margins(height)
        left, right = self._margins(width)
        if self.border == "mirror":
            if not torch.jit.is_scripting():
                _check_mirror(height, width, max(bottom, right))
            padded = functional.pad(image_BCHW, [left, right, top, bottom], mode="reflect")
        else:
            padded = functional.pad(image_BCHW, [left, right, top, bottom], mode="replicate")
        return self.unpadded(padded)[:, :, :height, :width]

    def unpadded(self, image_BCHW: Tensor) -> Tensor:
        """Logits of the middle alone, `lost` pixels fewer a side; sides must be 12 more than a multiple of 16 (with
        five levels), at least 188."""
        maps: list[Tensor] = []
        features = image_BCHW
        for level, block in enumerate(self.down):
            if level > 0:
                features = functional.max_pool2d(features, 2)
            features = block(features)
            maps.append(features)
        for step, (enlarge, block) in enumerate(zip(self.up, self.merge)):  # noqa: B905 (TorchScript has no `strict`)
            larger = enlarge(features)
            skipped = maps[self.levels - 2 - step]
            row = (skipped.shape[2] - larger.shape[2]) // 2
            column = (skipped.shape[3] - larger.shape[3]) // 2
            skipped = skipped[:, :, row : row + larger.shape[2], column : column + larger.shape[3]]
            features = block(torch.cat([skipped, larger], dim=1))
        return self.classify(features)

    def _margins(self, side: int) -> tuple[int, int]:
        """What is added before and after a side, so that as much or more comes out: 4 and a multiple of `step`."""
        steps = max(0, (side - 4 + self.step - 1) // self.step)
        before = self.lost // 2
        return before, before + steps * self.step + 4 - side


class PaddedUNet(nn.Module):
    """MONAI's U-Net with padded convolutions, BatchNorm and residual units: [B,C,H,W] -> logits [B,K,H,W], any H, W.

    The image is continued by its last row and column up to the next size that can be halved at every level.

    Args:
        in_channels: C.
        num_classes: K, background included.
        channels: of every level; at least two.
        residual_units: convolutions of a level that its input bypasses; 0 for plain ones.

    Raises:
        ConfigError: counts that cannot be.
    """

    from_scratch = True

    def __init__(
        self,
        *,
        in_channels: int = 3,
        num_classes: int = 2,
        channels: Sequence[int] = CHANNELS,
        residual_units: int = 2,
    ) -> None:
        super().__init__()
        _check_counts(in_channels, num_classes, channels)
        self.step, self.num_classes = 2 ** (len(channels) - 1), num_classes
        self.unet = UNet(
            spatial_dims=2,
            in_channels=in_channels,
            out_channels=num_classes,
            channels=list(channels),
            strides=[2] * (len(channels) - 1),
            num_res_units=residual_units,
            act="RELU",
            norm="BATCH",
        )

    def forward(self, image_BCHW: Tensor) -> Tensor:
        """Logits of the image's size."""
        height, width = image_BCHW.shape[2], image_BCHW.shape[3]
        margins = [0, -width % self.step, 0, -height % self.step]
        return self.unet(functional.pad(image_BCHW, margins, mode="replicate"))[:, :, :height, :width]


def _convolutions(in_channels: int, out_channels: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(in_channels, out_channels, kernel_size=3),
        nn.ReLU(inplace=True),
        nn.Conv2d(out_channels, out_channels, kernel_size=3),
        nn.ReLU(inplace=True),
    )


def _initialise(module: nn.Module) -> None:
    """Deviation sqrt(2 / fan-in). A transposed convolution of stride 2 adds one product per input channel, no more."""
    if isinstance(module, nn.ConvTranspose2d):
        nn.init.normal_(module.weight, std=math.sqrt(2 / module.in_channels))
    elif isinstance(module, nn.Conv2d):
        nn.init.kaiming_normal_(module.weight, nonlinearity="relu")
    if isinstance(module, (nn.Conv2d, nn.ConvTranspose2d)) and module.bias is not None:
        nn.init.zeros_(module.bias)


def _check_counts(in_channels: int, num_classes: int, channels: Sequence[int]) -> None:
    if num_classes < 2 or in_channels < 1 or len(channels) < 2 or min(channels) < 1:
        raise ConfigError(
            f"in_channels {in_channels}, num_classes {num_classes}, channels {list(channels)}",
            expected="at least one channel, two classes (background and disc) and two levels",
            fix="correct the network's keys",
        )


def _check_mirror(height: int, width: int, margin: int) -> None:
    if min(height, width) <= margin:
        raise ConfigError(
            f"an image of {height} x {width} (rows x columns) is to be mirrored by {margin} pixels",
            expected="an image larger than what is added",
            fix="give a larger image, or the border `edge`",
        )
