"""A loss that says afterwards what it was."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from shared.ranks import mean_over_ranks


class RecordedLoss(nn.Module):
    """Any loss of (output, label), on the device of the training, with ``last_terms`` as `RecordHistory` reads it.

    Of several ranks, the mean of all losses: that of their common batch where each is a mean over equally many images,
    or one and the same, as of `SegmentationLoss`.

    Args:
        loss: gives a 0-d tensor.
        device: where its buffers (class weights) belong.
    """

    def __init__(self, loss: nn.Module, *, device: torch.device | str = "cpu") -> None:
        super().__init__()
        self.loss = loss.to(device)
        self.last_terms: dict[str, Tensor] = {}

    def forward(self, output: Tensor, label: Tensor) -> Tensor:
        """The loss, 0-d; detached under ``total`` of ``last_terms``."""
        loss = mean_over_ranks(self.loss(output, label))
        self.last_terms = {"total": loss.detach()}
        return loss
