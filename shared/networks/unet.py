"""U-Net for class maps: MONAI's FlexibleUNet with encoders that start from ImageNet.

Dimensions: B batch, C input channels (neighbouring B-scans), K classes, H W rows and columns, P decoded once more.

Source: Ronneberger et al., "U-Net", MICCAI 2015; MONAI's FlexibleUNet (Apache-2.0). Feature perturbation: Yang et al.,
"Revisiting Weak-to-Strong Consistency in Semi-Supervised Semantic Segmentation" (UniMatch), CVPR 2023, section 3.2.
"""

from __future__ import annotations

import torch
from monai.networks.nets import FlexibleUNet
from monai.networks.nets.flexible_unet import FLEXUNET_BACKBONE
from torch import Tensor
from torch.nn import functional

from shared.choices import check_choice
from shared.errors import ConfigError
from shared.networks.resnet_encoder import PREFIX, SIZES, ResNetEncoder
from shared.networks.vgg import STAGES, VGGEncoder

FLEXUNET_BACKBONE.register_class(ResNetEncoder)
FLEXUNET_BACKBONE.register_class(VGGEncoder)

ENCODERS = (*SIZES, *STAGES)
DECODER_CHANNELS = (256, 128, 64, 32, 16)
GREY_MEAN, GREY_DEVIATION = 0.449, 0.226
DIVISOR = 32


class SegmentationUNet(FlexibleUNet):
    """Images [B,C,H,W] in 0..1 -> logits [B,K,H,W], for any H and W that 32 divides.

    Grey values are normalised inside by ImageNet's mean and deviation (of the three colours together), so that data
    pipelines keep the one scale 0..1. Parameter names: ``encoder.*`` (torchvision's), ``decoder.*``,
    ``segmentation_head.*``.

    Args:
        backbone: one of `ENCODERS`; ``resnet10`` and ``resnet10_narrow`` (a quarter of the channels, decoder too) are
            for CPUs.
        in_channels: C, 1 or the number of neighbouring B-scans.
        num_classes: K, background included.
        dropout: probability in the decoder.
        feature_dropout: share of channels that a perturbed decoding loses.

    Raises:
        ConfigError: for an unknown backbone, or counts that cannot be.
    """

    divisor = DIVISOR

    def __init__(
        self,
        *,
        backbone: str = "resnet50",
        in_channels: int = 1,
        num_classes: int = 4,
        dropout: float = 0.0,
        feature_dropout: float = 0.5,
    ) -> None:
        check_choice("backbone", backbone, ENCODERS)
        if num_classes < 2 or in_channels < 1:
            raise ConfigError(
                f"num_classes is {num_classes}, in_channels {in_channels}",
                expected="at least two classes (background and one more) and one channel",
                fix="correct `num_classes` or `neighbours`",
            )
        share = SIZES[backbone][2] if backbone in SIZES else 1.0
        super().__init__(
            in_channels=in_channels,
            out_channels=num_classes,
            backbone=PREFIX + backbone if backbone in SIZES else backbone,
            decoder_channels=tuple(max(16, int(channels * share)) for channels in DECODER_CHANNELS),
            dropout=dropout,
            is_pad=False,
        )
        self.backbone, self.num_classes, self.feature_dropout = backbone, num_classes, feature_dropout
        self.grey_mean, self.grey_deviation = GREY_MEAN, GREY_DEVIATION

    def forward(self, image_BCHW: Tensor, perturbed_P: Tensor | None = None) -> Tensor:
        """Logits.

        Args:
            image_BCHW: in 0..1.
            perturbed_P: indices of rows that are decoded a second time, with whole channels of their encoder's maps
                dropped; their logits follow those of the batch, so that [B+P,K,H,W] is returned.

        Raises:
            ConfigError: H or W is not divisible by 32.
        """
        if not torch.jit.is_scripting():
            check_size(image_BCHW)
        maps = self.encoder((image_BCHW - self.grey_mean) / self.grey_deviation)
        if perturbed_P is not None:
            p = self.feature_dropout
            maps = [torch.cat([map, functional.dropout2d(map[perturbed_P], p, training=True)]) for map in maps]
        return self.segmentation_head(self.decoder(maps, self.skip_connect))


def check_size(image_BCHW: Tensor) -> None:
    """Raise `ConfigError` unless both sides can be halved five times."""
    height, width = image_BCHW.shape[2:]
    if height % DIVISOR or width % DIVISOR:
        up = [-(-side // DIVISOR) * DIVISOR for side in (int(height), int(width))]
        raise ConfigError(
            f"an image of {height} x {width} (rows x columns)",
            expected=f"rows and columns divisible by {DIVISOR}",
            fix=f"for example --image_size '[{up[0]},{up[1]}]'",
        )
