"""Photographs and volumes from disk to batch: reading, field of view, splits, cache, sampling."""

from shared.data.bscans import VolumeBatchSampler, labelled_flags, slice_items, training_slices
from shared.data.dataset import PhotographDataset, SeededDataset
from shared.data.listing import find_photographs, find_pictures
from shared.data.mapped import MappedDataset
from shared.data.sampling import GroupedBatchSampler, RankSampler, label_kinds
from shared.data.splits import choose_split
from shared.data.streams import TwoStreamSampler
from shared.data.volume_file import VolumeFile

__all__ = [
    "GroupedBatchSampler",
    "MappedDataset",
    "PhotographDataset",
    "RankSampler",
    "SeededDataset",
    "TwoStreamSampler",
    "VolumeBatchSampler",
    "VolumeFile",
    "choose_split",
    "find_photographs",
    "find_pictures",
    "label_kinds",
    "labelled_flags",
    "slice_items",
    "training_slices",
]
