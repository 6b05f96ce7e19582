"""Dropout whose random numbers do not cost more than the network on a CPU."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from shared.errors import ConfigError

LEVELS = 256
INT64_MIN = -(2**63)


class Dropout(nn.Module):
    """Zero each element with probability ``p`` while training, and scale the others to keep the mean.

    ``torch.nn.Dropout`` draws one double per element, on one CPU core: for a decoder's 256 channels that took longer
    than the decoder. Here one byte of a 64-bit draw decides, so on a CPU ``p`` is rounded to a multiple of 1/256 (.5
    stays .5). The numbers come from the default generator. Other devices, and TorchScript,
    use the usual dropout.

    Args:
        p: probability, 0 <= p < 1.
    """

    def __init__(self, p: float = 0.5) -> None:
        super().__init__()
        if not 0 <= p < 1:
            raise ConfigError(f"dropout is {p}", expected="at least 0 and less than 1", fix="correct `dropout`")
        self.p = float(p)
        self.dropped_levels = min(round(p * LEVELS), LEVELS - 1)
        self.scale = LEVELS / (LEVELS - self.dropped_levels)

    def forward(self, features: Tensor) -> Tensor:
        if not self.training or self.p == 0.0:
            return features
        if torch.jit.is_scripting() or features.device.type != "cpu" or not is_dense(features):
            return functional.dropout(features, self.p, training=True)
        return self.drop(features)

    @torch.jit.unused
    def drop(self, features: Tensor) -> Tensor:
        words = torch.empty((features.numel() + 7) // 8, dtype=torch.int64).random_(INT64_MIN, None)
        levels = words.view(torch.uint8)[: features.numel()].as_strided(features.size(), features.stride())
        return features * ((levels >= self.dropped_levels).to(features.dtype) * self.scale)

    def extra_repr(self) -> str:
        return f"p={self.p}"


def is_dense(tensor: Tensor) -> bool:
    """Whether the elements fill their memory without gaps, in rows or in channels-last order."""
    return tensor.is_contiguous() or (tensor.dim() == 4 and tensor.is_contiguous(memory_format=torch.channels_last))
