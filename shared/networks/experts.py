"""Experts, which a `shared.networks.dispatch` dispatch runs: the published IDRiD system's, and one between two maps.

Dimensions: B batch, C channels, H W rows and columns, K classes. Every convolution of the published ones has a bias.
"""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional

from shared.networks.deeplab import Decoder

POOLED_SIZE = (11, 16)


class GradeExpert(nn.Module):
    """Logits of one grade from the backbone's last map: inputs ``[high_BCHW]`` -> [B,K].

    Adaptive average pool to 11x16, depthwise separable 3x3 of stride 2 to C/2 channels, without normalisation, global
    average pool, Linear to 256, ReLU, dropout, Linear to K.

    Args:
        in_channels: C (2048 for ResNet-50).
        num_classes: K.
        dropout: probability.
    """

    def __init__(self, in_channels: int, *, num_classes: int, dropout: float = 0.5) -> None:
        super().__init__()
        channels = in_channels // 2
        self.num_classes = num_classes
        self.features = nn.Sequential(
            nn.AdaptiveAvgPool2d(POOLED_SIZE),
            nn.Conv2d(in_channels, in_channels, 3, stride=2, padding=1, groups=in_channels),
            nn.Conv2d(in_channels, channels, 1),
            nn.AdaptiveAvgPool2d(1),
            nn.Flatten(),
        )
        self.classify = nn.Sequential(
            nn.Linear(channels, 256), nn.ReLU(inplace=True), nn.Dropout(dropout), nn.Linear(256, num_classes)
        )

    def output_shape(self, inputs: list[Tensor]) -> list[int]:
        return [inputs[0].shape[0], self.num_classes]

    def forward(self, inputs: list[Tensor]) -> Tensor:
        return self.classify(self.features(inputs[0]))


class MaskExpert(nn.Module):
    """Logits of one mask: inputs ``[pyramid_B256HW, low_BCHW]``, both at stride 4 -> [B,1,H,W].

    A depthwise separable DeepLabV3+ decoder behind the pyramid, which all experts share.

    Args:
        low_channels: C of the low-level map (256 for ResNet-50).
        dropout: probability.
        norm: ``"batch"``, which under sparse dispatch sees only the photographs routed to this expert while training,
            or ``"group"``, which looks at one photograph at a time.
    """

    def __init__(self, low_channels: int, *, dropout: float = 0.5, norm: str = "batch") -> None:
        super().__init__()
        self.decoder = Decoder(low_channels, depthwise=True, dropout=dropout, norm=norm)

    def output_shape(self, inputs: list[Tensor]) -> list[int]:
        return [inputs[1].shape[0], 1, inputs[1].shape[2], inputs[1].shape[3]]

    def forward(self, inputs: list[Tensor]) -> Tensor:
        return self.decoder(inputs[0], inputs[1])


class MapExpert(nn.Module):
    """A map's own version: inputs ``[map_BCHW]`` -> [B,C,H,W].

    ReLU of the map plus two convolutions 3x3 with GroupNorm, which looks at one image at a time.

    Args:
        channels: C.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.change = nn.Sequential(
            *(nn.Conv2d(channels, channels, 3, padding=1, bias=False), nn.GroupNorm(1, channels), nn.ReLU()),
            *(nn.Conv2d(channels, channels, 3, padding=1, bias=False), nn.GroupNorm(1, channels)),
        )

    def output_shape(self, inputs: list[Tensor]) -> list[int]:
        return list(inputs[0].shape)

    def forward(self, inputs: list[Tensor]) -> Tensor:
        return functional.relu(inputs[0] + self.change(inputs[0]))
