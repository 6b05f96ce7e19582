"""Atrous spatial pyramid pooling and the DeepLabV3+ decoder, with plain or depthwise separable 3x3 convolutions.

Dimensions: B batch, C channels, H W rows and columns. Source: Chen et al., "Encoder-Decoder with Atrous Separable
Convolution for Semantic Image Segmentation", ECCV 2018. What differs, after the published IDRiD system: every
convolution has a bias, low-level features are projected to 64 channels (paper: 48), one 3x3 follows the concatenation
(paper: two).
"""

from __future__ import annotations

import torch
from monai.networks.layers.utils import get_norm_layer
from torch import Tensor, nn
from torch.nn import functional

from shared.errors import ConfigError
from shared.networks.dropout import Dropout

ASPP_CHANNELS, LOW_CHANNELS = 256, 64
RATES = {8: (12, 24, 36), 16: (6, 12, 18)}
GROUP_SIZE = 16


def norm_layer(norm: str, channels: int) -> nn.Module:
    """``"batch"`` or ``"group"`` (groups of 16 channels) normalisation; both with as many parameters."""
    if norm not in ("batch", "group"):
        raise ConfigError(f"norm is {norm!r}", expected='"batch" or "group"', fix="correct `norm`")
    options = {"num_groups": channels // GROUP_SIZE} if norm == "group" else {}
    layer: nn.Module = get_norm_layer((norm, options), spatial_dims=2, channels=channels)
    return layer


def conv3x3(in_channels: int, out_channels: int, *, dilation: int = 1, depthwise: bool = False) -> list[nn.Module]:
    """The layers of a 3x3 convolution of unchanged size, or of its depthwise separable form, all with biases."""
    if not depthwise:
        return [nn.Conv2d(in_channels, out_channels, 3, padding=dilation, dilation=dilation)]
    return [
        DepthwiseConv(in_channels, in_channels, 3, padding=dilation, dilation=dilation, groups=in_channels),
        nn.Conv2d(in_channels, out_channels, 1),
    ]


class DepthwiseConv(nn.Conv2d):
    """A depthwise convolution that avoids channels-last on a CPU.

    With 2048 channels and dilation 18 in bfloat16, channels-last took 880 ms forward and backward on one core, rows
    first 120 ms; dilation 6 likewise. The values are the same.
    """

    def forward(self, features_BCHW: Tensor) -> Tensor:
        weight = self.weight
        if features_BCHW.device.type == "cpu":
            features_BCHW = features_BCHW.contiguous()
            # With one input channel, only a copy tells the two orders apart.
            weight = weight.clone(memory_format=torch.contiguous_format)
        return functional.conv2d(
            features_BCHW, weight, self.bias, padding=self.padding, dilation=self.dilation, groups=self.groups
        )


class PoolingBranch(nn.Module):
    """Global average, 1x1 convolution, BatchNorm, ReLU: [B,C,H,W] -> [B,256,1,1].

    A single photograph leaves one value per channel, of which no variance exists: BatchNorm then uses its running
    statistics, in training too.
    """

    def __init__(self, in_channels: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(in_channels, ASPP_CHANNELS, 1)
        self.norm = nn.BatchNorm2d(ASPP_CHANNELS)

    def forward(self, features_BCHW: Tensor) -> Tensor:
        pooled = self.conv(features_BCHW.mean(dim=(2, 3), keepdim=True))
        if self.training and pooled.shape[0] == 1:
            norm = self.norm
            pooled = functional.batch_norm(
                pooled, norm.running_mean, norm.running_var, norm.weight, norm.bias, training=False, eps=norm.eps
            )
        else:
            pooled = self.norm(pooled)
        return functional.relu(pooled)


class ASPP(nn.Module):
    """Atrous spatial pyramid pooling: [B,C,H,W] -> [B,256,H,W].

    Branches of 256 channels (1x1; a 3x3 for each rate; global average), concatenated and projected to 256 by a 1x1;
    each convolution followed by BatchNorm and ReLU; dropout after the projection.

    Args:
        in_channels: C.
        rates: dilations of the 3x3 branches (published: 6, 12, 18 at output stride 16; 12, 24, 36 at 8).
        depthwise: depthwise separable 3x3 convolutions.
        dropout: probability.
    """

    def __init__(
        self, in_channels: int, *, rates: tuple[int, ...] = RATES[16], depthwise: bool = False, dropout: float = 0.5
    ) -> None:
        super().__init__()
        convolutions: list[list[nn.Module]] = [[nn.Conv2d(in_channels, ASPP_CHANNELS, 1)]]
        convolutions += [conv3x3(in_channels, ASPP_CHANNELS, dilation=rate, depthwise=depthwise) for rate in rates]
        self.branches = nn.ModuleList(
            nn.Sequential(*layers, nn.BatchNorm2d(ASPP_CHANNELS), nn.ReLU(inplace=True)) for layers in convolutions
        )
        self.pooling = PoolingBranch(in_channels)
        self.project = nn.Sequential(
            nn.Conv2d((len(convolutions) + 1) * ASPP_CHANNELS, ASPP_CHANNELS, 1),
            nn.BatchNorm2d(ASPP_CHANNELS),
            nn.ReLU(inplace=True),
            Dropout(dropout),
        )

    def forward(self, features_BCHW: Tensor) -> Tensor:
        maps = [branch(features_BCHW) for branch in self.branches]
        maps.append(self.pooling(features_BCHW).expand_as(maps[0]))
        return self.project(torch.cat(maps, dim=1))


class Decoder(nn.Module):
    """The DeepLabV3+ decoder after the pyramid: project low-level features, merge, 3x3, logits.

    Args:
        low_channels: channels of the low-level map.
        out_channels: K of the logits.
        depthwise: depthwise separable 3x3 convolution.
        dropout: probability, before the last convolution.
        norm: ``"batch"`` or ``"group"``.
    """

    def __init__(
        self,
        low_channels: int,
        *,
        out_channels: int = 1,
        depthwise: bool = False,
        dropout: float = 0.5,
        norm: str = "batch",
    ) -> None:
        super().__init__()
        self.low = nn.Sequential(
            nn.Conv2d(low_channels, LOW_CHANNELS, 1), norm_layer(norm, LOW_CHANNELS), nn.ReLU(inplace=True)
        )
        merged = ASPP_CHANNELS + LOW_CHANNELS
        self.filter = nn.Conv2d(merged, merged, 3, padding=1, groups=merged) if depthwise else None
        self.merge = (
            nn.Conv2d(merged, ASPP_CHANNELS, 1) if depthwise else nn.Conv2d(merged, ASPP_CHANNELS, 3, padding=1)
        )
        self.classify = nn.Sequential(
            norm_layer(norm, ASPP_CHANNELS),
            nn.ReLU(inplace=True),
            Dropout(dropout),
            nn.Conv2d(ASPP_CHANNELS, out_channels, 1),
        )

    def forward(self, pyramid_B256HW: Tensor, low_BCHW: Tensor) -> Tensor:
        """Logits [B,K,H,W]; both inputs at the low-level map's size."""
        low_B64HW = self.low(low_BCHW)
        if self.filter is None:
            return self.classify(self.merge(torch.cat([pyramid_B256HW, low_B64HW], dim=1)))
        # A depthwise convolution acts on each channel alone: concatenating after it instead of before gives the same,
        # and spares keeping a copy of the pyramid for every decoder's backward pass.
        weight, bias, split = self.filter.weight, self.filter.bias, pyramid_B256HW.shape[1]
        assert bias is not None
        filtered = [
            functional.conv2d(pyramid_B256HW, weight[:split], bias[:split], padding=1, groups=split),
            functional.conv2d(low_B64HW, weight[split:], bias[split:], padding=1, groups=low_B64HW.shape[1]),
        ]
        return self.classify(self.merge(torch.cat(filtered, dim=1)))


class DeepLabV3PlusHead(nn.Module):
    """ASPP and decoder: high-level [B,C,h,w] and low-level [B,C',H,W] features -> logits [B,K,H,W].

    Args:
        in_channels: channels of the high-level map.
        low_channels: channels of the low-level map.
        out_channels: K.
        rates: see `ASPP`.
        depthwise: depthwise separable 3x3 convolutions in both.
        dropout: probability after the pyramid's projection.
    """

    def __init__(
        self,
        in_channels: int,
        *,
        low_channels: int,
        out_channels: int,
        rates: tuple[int, ...] = RATES[16],
        depthwise: bool = False,
        dropout: float = 0.5,
    ) -> None:
        super().__init__()
        self.aspp = ASPP(in_channels, rates=rates, depthwise=depthwise, dropout=dropout)
        self.decoder = Decoder(low_channels, out_channels=out_channels, depthwise=depthwise, dropout=0.0)

    def forward(self, high: Tensor, low: Tensor) -> Tensor:
        return self.decoder(resize(self.aspp(high), like=low), low)


def resize(maps_BCHW: Tensor, *, like: Tensor) -> Tensor:
    """Bilinear interpolation to the rows and columns of ``like``, corner to corner (``align_corners=False``)."""
    return functional.interpolate(maps_BCHW, size=(like.shape[2], like.shape[3]), mode="bilinear", align_corners=False)
