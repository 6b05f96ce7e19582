"""The U-Nets for photographs of the optic disc, by name."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from shared.choices import check_choice
from shared.networks.classic_unet import CHANNELS, ClassicUNet, PaddedUNet
from shared.networks.unet import ENCODERS, SegmentationUNet

ARCHITECTURES: dict[str, type[ClassicUNet] | type[PaddedUNet]] = {"classic": ClassicUNet, "padded": PaddedUNet}


def make_disc_unet(
    backbone: str = "classic",
    *,
    in_channels: int = 3,
    num_classes: int = 2,
    channels: Sequence[int] = CHANNELS,
    **settings: Any,
) -> ClassicUNet | PaddedUNet | SegmentationUNet:
    """The network of that name, for images [B,C,H,W] in 0..1.

    Args:
        backbone: one of `ARCHITECTURES`, or an encoder of `SegmentationUNet` (which takes sizes that 32 divides).
        in_channels: C.
        num_classes: K, background included.
        channels: of every level; an encoder has its own.
        settings: its class's.

    Raises:
        ConfigError: an unknown name, or settings that cannot be.
    """
    check_choice("backbone", backbone, (*ARCHITECTURES, *ENCODERS))
    if backbone in ENCODERS:
        return SegmentationUNet(backbone=backbone, in_channels=in_channels, num_classes=num_classes, **settings)
    return ARCHITECTURES[backbone](in_channels=in_channels, num_classes=num_classes, channels=channels, **settings)
