"""The yardstick by which networks trained with different losses are compared on one plane."""

from __future__ import annotations

import torch
from monai.metrics import compute_dice
from monai.networks.utils import one_hot
from torch import Tensor

DICE_ERROR = "1 - Dice"


def dice_error(logits_BKHW: Tensor, label_B1HW: Tensor) -> Tensor:
    """One minus the mean Dice of the most probable classes, over images and classes but the background, 0-d.

    Where truth and prediction are both empty the Dice is 1, where only one of them is, 0.
    """
    classes = logits_BKHW.shape[1]
    truth = one_hot(label_B1HW, num_classes=classes, dtype=torch.float32)
    found = one_hot(logits_BKHW.argmax(1, keepdim=True), num_classes=classes, dtype=torch.float32)
    return 1 - compute_dice(found, truth, include_background=False, ignore_empty=False).mean()
