"""Batches of noise with class maps, and networks small enough for tests of semi-supervised engines."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional


class TinyUNet(nn.Module):
    """Two convolutions with BatchNorm and a head; takes `perturbed_P` as `SegmentationUNet` does.

    Args:
        channels, classes: C and K.
        frozen: BatchNorm stays in evaluation mode.
        drop: share of channels dropped from perturbed rows.
    """

    def __init__(self, *, channels: int = 1, classes: int = 4, frozen: bool = False, drop: float = 0.5) -> None:
        super().__init__()
        self.encoder = nn.Sequential(nn.Conv2d(channels, 6, 3, padding=1), nn.BatchNorm2d(6), nn.Tanh())
        self.decoder = nn.Sequential(nn.Conv2d(6, 6, 3, padding=1), nn.BatchNorm2d(6), nn.Tanh())
        self.head = nn.Conv2d(6, classes, 1)
        self.frozen, self.drop = frozen, drop

    def train(self, mode: bool = True) -> TinyUNet:
        super().train(mode)
        if self.frozen:
            for module in self.modules():
                if isinstance(module, nn.BatchNorm2d):
                    module.eval()
        return self

    def forward(self, image: Tensor, perturbed_P: Tensor | None = None) -> Tensor:
        features = self.encoder(image)
        if perturbed_P is not None:
            features = torch.cat([features, functional.dropout2d(features[perturbed_P], self.drop, training=True)])
        return 4 * self.head(self.decoder(features))


def scan_batches(
    count: int, *, labelled: int = 1, unlabelled: int = 2, channels: int = 1, classes: int = 4, size: int = 8
) -> list[dict[str, Any]]:
    """Collated batches as the two-stream loader gives them, labelled images first."""
    generator = torch.Generator().manual_seed(3)
    total = labelled + unlabelled
    return [
        {
            "image": torch.rand(total, channels, size, size, generator=generator),
            "label": torch.randint(0, classes, (total, 1, size, size), generator=generator).to(torch.uint8)
            * (torch.arange(total) < labelled).view(-1, 1, 1, 1),
            "labelled": torch.arange(total) < labelled,
            "name": [f"scan {number}/{b}" for b in range(total)],
        }
        for number in range(count)
    ]
