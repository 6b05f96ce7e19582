"""Photographs from disk to batch: reading, field of view, splits, cache, sampling."""

from shared.data.dataset import PhotographDataset
from shared.data.listing import find_photographs
from shared.data.sampling import GroupedBatchSampler, label_kinds
from shared.data.splits import choose_split

__all__ = ["GroupedBatchSampler", "PhotographDataset", "choose_split", "find_photographs", "label_kinds"]
