"""Losses on class indices that MONAI has only for one-hot targets."""

from __future__ import annotations

import torch
from monai.losses import FocalLoss
from torch import Tensor, nn


class OneHotFocalLoss(nn.Module):
    """Sigmoid focal loss of logits against one-hot class indices (Lin et al. 2017, eq. 5), by MONAI's `FocalLoss`.

    Args:
        gamma: focusing exponent.
        alpha: weight of the positive class, 1 - alpha of the negative; None for 1 and 1.
    """

    def __init__(self, *, gamma: float = 2.0, alpha: float | None = None) -> None:
        super().__init__()
        self.focal = FocalLoss(to_onehot_y=True, use_softmax=False, gamma=gamma, alpha=alpha, reduction="mean")

    def forward(self, logits_BK: Tensor, target_B: Tensor) -> Tensor:
        """Mean over photographs and classes; `target_B` are class indices."""
        return self.focal(logits_BK, target_B.unsqueeze(1).to(torch.float32))
