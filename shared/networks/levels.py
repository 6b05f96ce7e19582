"""Encoders that can be run level by level, and the decoders that fit them.

Dimensions: B batch, C channels, S mask tasks, H W rows and columns.

An encoder here has ``level(number, map_BCHW)``, the map after one more level; ``level_channels``, the channels of each
level's map; and ``divisor``, what has to divide rows and columns.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from monai.networks.nets.flexible_unet import SegmentationHead, UNetDecoder
from torch import Tensor, nn

from shared.choices import check_choice
from shared.networks.hard_sharing_unet import CHANNELS, DIVISOR, box_head, decoder_level, encoder_level, grade_head
from shared.networks.resnet_encoder import SIZES, ResNetEncoder
from shared.networks.unet import DECODER_CHANNELS

UNET = "unet"
BACKBONES = (UNET, *SIZES)
HEAD_GRID = {UNET: 16, "resnet": 8}
BOX_CHANNELS = 128


class UNetLevels(nn.Module):
    """The published U-Net's encoder: [B,C,H,W] -> maps at strides 2, 4, 8 and 16.

    Args:
        in_channels: C. channels: of the four levels.
    """

    divisor = DIVISOR

    def __init__(self, *, in_channels: int = 3, channels: Sequence[int] = CHANNELS) -> None:
        super().__init__()
        self.level_channels = tuple(channels)
        pairs = zip((in_channels, *channels), channels, strict=False)
        self.levels = nn.ModuleList(
            encoder_level(before, after, kernel=7 if number == 0 else 3) for number, (before, after) in enumerate(pairs)
        )

    def level(self, number: int, map_BCHW: Tensor) -> Tensor:
        """The map after level ``number`` (from 0), from the map before it."""
        out_BCHW = map_BCHW
        for place, level in enumerate(self.levels):
            if place == number:
                out_BCHW = level(map_BCHW)
        return out_BCHW


class ResNetLevels(ResNetEncoder):
    """A ResNet by its five levels, stem first: maps at strides 2, 4, 8, 16 and 32; torchvision's parameter names.

    Args:
        name: a key of `shared.networks.resnet_encoder.SIZES`.
        in_channels: C.
    """

    divisor = 32
    first_convolution = ""  # colours stay colours: `load_imagenet` would make grey channels of them

    def __init__(self, *, name: str, in_channels: int = 3) -> None:
        super().__init__(name=name, in_channels=in_channels)
        self.level_channels = self.num_channels_per_output()[list(SIZES).index(name)]

    def level(self, number: int, map_BCHW: Tensor) -> Tensor:
        """The map after level ``number`` (from 0), from the map before it."""
        if number == 0:
            return self.act(self.bn1(self.conv1(map_BCHW)))
        if number == 1:
            return self.layer1(self.maxpool(map_BCHW))
        if number == 2:
            return self.layer2(map_BCHW)
        if number == 3:
            return self.layer3(map_BCHW)
        return self.layer4(map_BCHW)


class UNetMasks(nn.Module):
    """The published U-Net's decoder: maps of all levels, deepest last -> mask logits [B,S,H,W]."""

    def __init__(self, channels: Sequence[int], *, num_masks: int, relu: bool = True) -> None:
        super().__init__()
        first, second, third, fourth = channels
        steps = [(fourth, third), (2 * third, second), (2 * second, first), (2 * first, num_masks)]
        self.levels = nn.ModuleList(
            decoder_level(before, after, relu=relu or number < 3) for number, (before, after) in enumerate(steps)
        )

    def forward(self, maps: list[Tensor]) -> Tensor:
        decoded_BCHW = maps[-1]
        for step, level in enumerate(self.levels):
            if step:
                decoded_BCHW = torch.cat([decoded_BCHW, maps[3 - step]], dim=1)
            decoded_BCHW = level(decoded_BCHW)
        return decoded_BCHW


class ResNetMasks(nn.Module):
    """MONAI's U-Net decoder behind a ResNet, as in `SegmentationUNet`: maps of all levels -> mask logits [B,S,H,W]."""

    def __init__(self, channels: Sequence[int], *, num_masks: int, share: float) -> None:
        super().__init__()
        decoder_channels = tuple(max(16, int(number * share)) for number in DECODER_CHANNELS)
        self.decoder = UNetDecoder(
            spatial_dims=2,
            encoder_channels=(0, *channels),
            decoder_channels=decoder_channels,
            act=("relu", {"inplace": True}),
            norm=("batch", {"eps": 1e-3, "momentum": 0.1}),
            dropout=0.0,
            bias=False,
            upsample="nontrainable",
            pre_conv="default",
            interp_mode="nearest",
            align_corners=None,
            is_pad=False,
        )
        self.head = SegmentationHead(spatial_dims=2, in_channels=decoder_channels[-1], out_channels=num_masks)

    def forward(self, maps: list[Tensor]) -> Tensor:
        # The decoder leaves out the first entry, which in FlexibleUNet is the image. TorchScript takes no [*maps].
        return self.head(self.decoder([maps[0]] + maps))  # noqa: RUF005


def make_encoder(backbone: str, *, in_channels: int = 3, channels: Sequence[int] = CHANNELS) -> nn.Module:
    """An encoder by name.

    Args:
        backbone: ``"unet"`` or a key of `shared.networks.resnet_encoder.SIZES`.
        in_channels: C. channels: of the four levels of ``"unet"``.

    Raises:
        ConfigError: for another name.
    """
    check_choice("backbone", backbone, BACKBONES)
    if backbone == UNET:
        return UNetLevels(in_channels=in_channels, channels=channels)
    return ResNetLevels(name=backbone, in_channels=in_channels)


def make_masks(backbone: str, channels: Sequence[int], *, num_masks: int, relu: bool = True) -> nn.Module:
    """The decoder that fits an encoder's ``level_channels``; ``relu``: of ``"unet"``, see `HardSharingUNet`."""
    if backbone == UNET:
        return UNetMasks(channels, num_masks=num_masks, relu=relu)
    return ResNetMasks(channels, num_masks=num_masks, share=SIZES[backbone][2])


def make_grade_head(backbone: str, channels: int, *, num_classes: int) -> nn.Sequential:
    """Deepest map -> logits [B,K]: the published head on a grid of 16x16, or a linear layer after a ResNet's mean."""
    if backbone == UNET:
        return nn.Sequential(nn.AdaptiveAvgPool2d(HEAD_GRID[UNET]), grade_head(channels, num_classes))
    return nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(channels, num_classes))


def make_box_head(backbone: str, channels: int, *, relu: bool = False) -> nn.Sequential:
    """Deepest map -> a box [B,4] in 0..1; ``relu``: the published defect, of ``"unet"`` alone.

    Behind a ResNet the grid is 8x8, which keeps the place that a mean would lose.
    """
    if backbone == UNET:
        return nn.Sequential(nn.AdaptiveAvgPool2d(HEAD_GRID[UNET]), box_head(channels, relu=relu))
    grid, narrow = HEAD_GRID["resnet"], min(BOX_CHANNELS, channels)
    return nn.Sequential(
        *(nn.AdaptiveAvgPool2d(grid), nn.Conv2d(channels, narrow, 1), nn.ReLU(), nn.Flatten()),
        *(nn.Linear(narrow * grid**2, 128), nn.ReLU(), nn.Dropout(0.5), nn.Linear(128, 4), nn.Sigmoid()),
    )
