"""A quadratic bowl as a network: its weights are its output."""

from __future__ import annotations

import torch
from torch import Tensor, nn

CURVATURE_P = torch.tensor([1.0, 4.0, 0.5, 2.0, 3.0, 0.1, 6.0, 1.5])


class Bowl(nn.Module):
    """Six weights in three filters and two biases; returns them for every image."""

    def __init__(self, *, seed: int = 0) -> None:
        super().__init__()
        generator = torch.Generator().manual_seed(seed)
        self.weight = nn.Parameter(torch.randn(3, 2, generator=generator))
        self.bias = nn.Parameter(torch.randn(2, generator=generator))

    def forward(self, image_BC: Tensor) -> Tensor:
        return torch.cat([self.weight.flatten(), self.bias]).expand(len(image_BC), -1)


def quadratic(output_BP: Tensor, label: Tensor) -> Tensor:
    """Half the curvature times the squared weights; labels play no part."""
    return 0.5 * (CURVATURE_P * output_BP.square()).sum(1).mean()


def flat(weights: dict[str, Tensor]) -> Tensor:
    """Weights as one float64 vector in the order of `Bowl`."""
    return torch.cat([weights[name].flatten() for name in ("weight", "bias")]).double()
