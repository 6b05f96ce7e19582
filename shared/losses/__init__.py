"""Losses for several tasks with missing labels and for class maps, assembled from MONAI's."""

from shared.losses.gates import GateLoss
from shared.losses.grades import OneHotFocalLoss
from shared.losses.multitask import MultiTaskLoss
from shared.losses.recorded import RecordedLoss
from shared.losses.segmentation import SegmentationLoss
from shared.losses.weighting import all_parameters

__all__ = ["GateLoss", "MultiTaskLoss", "OneHotFocalLoss", "RecordedLoss", "SegmentationLoss", "all_parameters"]
