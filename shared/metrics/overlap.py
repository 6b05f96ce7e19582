"""Overlap of a mask with the truth, from counted pixels."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from shared.metrics.histogram import ScoreHistogram, predicted_above

Floats = npt.NDArray[np.float64]


class Overlap(NamedTuple):
    """Pixels ``[...]``: predicted and true (hit), true but not predicted (miss), predicted but not true (false alarm).

    Pooling over photographs is adding.
    """

    hit: Floats
    miss: Floats
    false_alarm: Floats


def count_overlap(predicted: npt.ArrayLike, truth: npt.ArrayLike) -> Overlap:
    """Count two masks of the same shape, nonzero = inside."""
    found, mask = np.asarray(predicted) != 0, np.asarray(truth) != 0
    hit = np.count_nonzero(found & mask)
    counts = (hit, np.count_nonzero(mask) - hit, np.count_nonzero(found) - hit)
    return Overlap(*(np.asarray(count, np.float64) for count in counts))


def overlap_at(histogram: ScoreHistogram, threshold: float) -> Overlap:
    """Overlap ``[...]`` of the mask score > threshold, from histograms ``[..., L]``."""
    hit, false_alarm = predicted_above(histogram, [threshold])
    truth = np.asarray(histogram.positive).sum(-1, dtype=np.float64)
    return Overlap(hit[..., 0], truth - hit[..., 0], false_alarm[..., 0])


def dice(overlap: Overlap) -> Floats:
    """2 hit / (2 hit + miss + false alarm); 1 where truth and prediction are both empty.

    So an empty truth gives 1 to an empty prediction and 0 to any other; in a pool its false alarms count.
    """
    hit, miss, false_alarm = overlap
    return _ratio(2 * hit, 2 * hit + miss + false_alarm, 1.0)


def iou(overlap: Overlap) -> Floats:
    """hit / (hit + miss + false alarm), the Jaccard index; 1 where truth and prediction are both empty."""
    hit, miss, false_alarm = overlap
    return _ratio(hit, hit + miss + false_alarm, 1.0)


def sensitivity(overlap: Overlap) -> Floats:
    """hit / (hit + miss): share of the truth that was found; NaN where the truth is empty."""
    return _ratio(overlap.hit, overlap.hit + overlap.miss, np.nan)


def precision(overlap: Overlap) -> Floats:
    """hit / (hit + false alarm): share of the prediction that is true; NaN where nothing is predicted."""
    return _ratio(overlap.hit, overlap.hit + overlap.false_alarm, np.nan)


def _ratio(numerator: npt.ArrayLike, denominator: npt.ArrayLike, empty: float) -> Floats:
    numerator, denominator = np.asarray(numerator, np.float64), np.asarray(denominator, np.float64)
    return np.divide(numerator, denominator, out=np.full_like(denominator, empty), where=denominator > 0)
