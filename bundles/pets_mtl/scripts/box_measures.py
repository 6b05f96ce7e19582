"""Head boxes as rows of a report: overlap in pixels of the original image, and how many boxes overlap enough."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import torch

from shared.data.boxes import box_iou
from shared.metrics.bootstrap import interval, resample
from shared.report.measures import Row, resampled_mean

Floats = npt.NDArray[np.float64]
LEVELS = {"box_accuracy_50": 0.5, "box_accuracy_75": 0.75}
DEFINITIONS = {
    "box_iou": "mean over the images that have a head box: intersection over union of the predicted box with it, in "
    "pixels of the original image, nothing added to sides or areas",
    "box_accuracy_50": "share of these images with an IoU of 0.5 or more",
    "box_accuracy_75": "share of these images with an IoU of 0.75 or more",
}


def iou_of(box_4: npt.ArrayLike, true_box_4: npt.ArrayLike) -> float:
    """Intersection over union of two boxes (left, top, right, bottom) in pixels of one image."""
    pair = (torch.as_tensor(np.asarray(box, np.float64)) for box in (box_4, true_box_4))
    return float(box_iou(*pair))


def box_rows(iou_N: npt.ArrayLike, *, task: str, subset: str, samples: int, seed: int) -> list[Row]:
    """Rows ``box_iou``, ``box_accuracy_50`` and ``box_accuracy_75``; none without an image that has a box."""
    iou_N = np.asarray(iou_N, np.float64)
    if not len(iou_N):
        return []
    weights_BN = resample(len(iou_N), samples=samples, seed=seed)
    values = {"box_iou": iou_N} | {name: (iou_N >= level).astype(np.float64) for name, level in LEVELS.items()}
    return [
        Row(subset, task, name, float(value_N.mean()), *interval(resampled_mean(weights_BN, value_N)), len(iou_N))
        for name, value_N in values.items()
    ]
