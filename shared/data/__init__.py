"""Photographs from disk to batch: reading, field of view, splits, cache, sampling."""

from shared.data.dataset import PhotographDataset
from shared.data.sampling import GroupedBatchSampler, label_kinds

__all__ = ["GroupedBatchSampler", "PhotographDataset", "label_kinds"]
