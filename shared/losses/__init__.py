"""Losses for several tasks with missing labels, assembled from MONAI's."""

from shared.losses.gates import GateLoss
from shared.losses.grades import OneHotFocalLoss
from shared.losses.multitask import MultiTaskLoss

__all__ = ["GateLoss", "MultiTaskLoss", "OneHotFocalLoss"]
