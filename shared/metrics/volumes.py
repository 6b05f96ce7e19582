"""Measures of fluid in OCT volumes, from counts of voxels and one score per volume and fluid.

The three measures of the RETOUCH challenge (Bogunovic et al., IEEE TMI 2019): Dice, absolute volume difference, and the
area under the ROC curve of detection; and IoU. All hard: a voxel has the class of the largest probability.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from shared.metrics.bootstrap import mean_of_defined
from shared.metrics.grading import auroc, resampled_auroc

Floats = npt.NDArray[np.float64]
Counts = npt.NDArray[np.int64]
DEFINITIONS = {
    "dice": "hard, voxels of a volume pooled: 2 hit / (truth + predicted), mean over volumes; a volume without the "
    "fluid in truth AND prediction is undefined and left out, one with a false alarm alone counts 0",
    "iou": "the same with hit / (truth + predicted - hit)",
    "dice_pooled": "hard, voxels of all volumes pooled: 2 hit / (truth + predicted); volumes without the fluid count "
    "with their false alarms; undefined where no volume has the fluid in truth or prediction",
    "volume_difference_mm3": "|predicted - true volume| in mm^3, mean over the volumes of known voxel size, also those "
    "without the fluid",
    "volume_difference_voxels": "the same in voxels, over the volumes of nominal or unknown voxel size",
    "detection_auc": "area under the ROC curve of finding the volumes that have the fluid; a volume's score is the "
    "largest mean probability of the fluid in one of its B-scans; undefined where all or no volumes have it",
    "interval": "95 % percentile bootstrap over patients, all volumes of a patient together; undefined resamples are "
    "left out; none where fewer than two patients have a defined value (detection: two with and two without the fluid)",
    "mean": "unweighted mean over the fluids for which the measure is defined",
}


class Measured(NamedTuple):
    """Counts of one fluid in N volumes ``[N]``: voxels of hit, truth and prediction, and the score of detection."""

    hit: Counts
    truth: Counts
    predicted: Counts
    score: Floats


def count_classes(truth: npt.ArrayLike, predicted: npt.ArrayLike, *, num_classes: int) -> Counts:
    """Voxels by true (row) and predicted (column) class ``[K, K]``, of two arrays of one shape.

    Raises:
        ValueError: for different shapes or a class that is not 0..K-1.
    """
    truth, predicted = np.asarray(truth), np.asarray(predicted)
    if truth.shape != predicted.shape:
        raise ValueError(f"truth and prediction differ in shape: {truth.shape} and {predicted.shape}")
    for name, labels in (("truth", truth), ("prediction", predicted)):
        if labels.size and not (labels.min() >= 0 and labels.max() < num_classes):
            raise ValueError(f"{name} has classes {labels.min()}..{labels.max()}, expected 0..{num_classes - 1}")
    pairs = truth.ravel().astype(np.int64) * num_classes + predicted.ravel()
    return np.bincount(pairs, minlength=num_classes**2).reshape(num_classes, num_classes).astype(np.int64)


def measured(confusion_NKK: npt.ArrayLike, score_NF: npt.ArrayLike, fluid: int) -> Measured:
    """Counts of class ``fluid`` (1..K-1) from confusion matrices of N volumes; ``score_NF`` begins with class 1."""
    confusion_NKK = np.asarray(confusion_NKK, np.int64)
    return Measured(
        confusion_NKK[..., fluid, fluid],
        confusion_NKK[..., fluid, :].sum(-1),
        confusion_NKK[..., :, fluid].sum(-1),
        np.asarray(score_NF, np.float64)[..., fluid - 1],
    )


def dice(counts: Measured) -> Floats:
    """Of each volume; NaN where truth and prediction are empty, 0 where one is."""
    return _ratio(2 * counts.hit, counts.truth + counts.predicted)


def iou(counts: Measured) -> Floats:
    """Of each volume; NaN where truth and prediction are empty, 0 where one is."""
    return _ratio(counts.hit, counts.truth + counts.predicted - counts.hit)


def mean_over(values_N: npt.ArrayLike, weights_BN: npt.ArrayLike | None = None) -> Floats:
    """Mean of the defined values, or of every resample ``[B]``; NaN where none is defined."""
    values_N = np.asarray(values_N, np.float64)
    if weights_BN is None:
        return mean_of_defined(values_N)
    weights_BN = np.asarray(weights_BN, np.float64)
    known_N = ~np.isnan(values_N)
    return _ratio(weights_BN @ np.where(known_N, values_N, 0), weights_BN @ known_N.astype(np.float64))


def dice_pooled(counts: Measured, weights_BN: npt.ArrayLike | None = None) -> Floats:
    """Of all volumes together, or of every resample ``[B]``."""
    weights = np.ones(len(counts.hit)) if weights_BN is None else np.asarray(weights_BN, np.float64)
    return _ratio(weights @ (2 * counts.hit), weights @ (counts.truth + counts.predicted))


def volume_difference(counts: Measured, voxel_N: npt.ArrayLike) -> Floats:
    """``|predicted - truth|`` of each volume, times what a voxel counts (mm^3, or 1); NaN where that is NaN."""
    return np.abs(counts.predicted - counts.truth) * np.asarray(voxel_N, np.float64)


def detection_auc(counts: Measured, weights_BN: npt.ArrayLike | None = None) -> Floats:
    """How well the scores tell volumes with the fluid from those without; NaN where all or none have it."""
    probabilities_NK = np.stack([-counts.score, counts.score], 1)  # two classes of equal area, by symmetry
    has_N = (counts.truth > 0).astype(np.int64)
    if weights_BN is None:
        return np.asarray(auroc(probabilities_NK, has_N))
    return resampled_auroc(probabilities_NK, has_N, weights_BN)


def _ratio(numerator: npt.ArrayLike, denominator: npt.ArrayLike) -> Floats:
    numerator, denominator = np.asarray(numerator, np.float64), np.asarray(denominator, np.float64)
    return np.divide(numerator, denominator, out=np.full(denominator.shape, np.nan), where=denominator > 0)
