"""Standardising what a small head reads, without parameters.

Dimensions: B batch, C channels, H W rows and columns.
"""

import torch
from torch import Tensor, nn

from shared.networks.routing import global_average


class StandardisePooled(nn.Module):
    """Shifts and scales every channel so that its *global average* has mean 0 and deviation 1 over photographs.

    The pooled activations of photographs differ little from each other beside their common mean, so that a head behind
    a global pool hardly sees the difference. As `torch.nn.BatchNorm1d` without affine parameters on the pooled map, but
    applied to the map itself: statistics of the batch in training (of the running estimate where it holds a single
    photograph), running ones in evaluation. It sees the whole batch, before any routing.

    Args:
        channels: C.
        momentum: of the running statistics.
        eps: added to the variance.
    """

    running_mean_C: Tensor
    running_var_C: Tensor

    def __init__(self, channels: int, *, momentum: float = 0.1, eps: float = 1e-3) -> None:
        super().__init__()
        self.momentum, self.eps = momentum, eps
        self.register_buffer("running_mean_C", torch.zeros(channels))
        self.register_buffer("running_var_C", torch.ones(channels))

    def forward(self, features_BCHW: Tensor) -> Tensor:
        """Features of the same shape."""
        mean_C, var_C = self.running_mean_C, self.running_var_C
        if self.training and features_BCHW.shape[0] > 1:
            pooled_BC = global_average(features_BCHW, torch.float32)
            var_C, mean_C = torch.var_mean(pooled_BC, dim=0, unbiased=False)
            with torch.no_grad():
                self.running_mean_C.lerp_(mean_C, self.momentum)
                self.running_var_C.lerp_(torch.var(pooled_BC, dim=0), self.momentum)
        scale_C = (var_C + self.eps).rsqrt()
        shifted = features_BCHW - mean_C.to(features_BCHW.dtype)[:, None, None]
        return shifted * scale_C.to(features_BCHW.dtype)[:, None, None]
