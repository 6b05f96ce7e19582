"""Pixel scores as a histogram: exact precision-recall measures of any number of photographs in constant memory.

Scores are probabilities rounded to one of 65536 levels (half down, so that score > 0.5 is the same before and after).
Histograms of several photographs are pooled by adding them, and a weighted sum is a bootstrap resample, so every
function here takes leading axes ``[..., L]``.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
LEVELS = 65536


class ScoreHistogram(NamedTuple):
    """Pixels per score level ``[..., L]``, those inside the truth and those outside; level ``i`` is ``i / (L - 1)``."""

    positive: npt.NDArray
    negative: npt.NDArray

    def pooled(self) -> ScoreHistogram:
        """The sum over the first axis (photographs)."""
        return ScoreHistogram(self.positive.sum(0, dtype=np.int64), self.negative.sum(0, dtype=np.int64))


class PrecisionRecall(NamedTuple):
    """One point per threshold ``[..., M]``, thresholds ascending; a pixel is predicted where score > threshold."""

    precision: Floats
    recall: Floats
    threshold: Floats


def score_histogram(scores: npt.ArrayLike, truth: npt.ArrayLike, *, bins: int = LEVELS) -> ScoreHistogram:
    """Count pixels by score.

    Args:
        scores: probabilities 0..1, any shape.
        truth: same shape, nonzero = inside the truth.
        bins: number of levels L.

    Returns:
        counts ``[L]`` as int32 (a photograph has fewer than 2^31 pixels).

    Raises:
        ValueError: for different shapes, or scores that are not probabilities (NaN included).
    """
    if np.shape(scores) != np.shape(truth):
        raise ValueError(f"scores and truth differ in shape: {np.shape(scores)} and {np.shape(truth)}")
    score_N = np.asarray(scores).ravel()
    score_N = score_N if score_N.dtype in (np.float32, np.float64) else score_N.astype(np.float32)
    if score_N.size and not (score_N.min() >= 0 and score_N.max() <= 1):
        raise ValueError(f"scores must be probabilities 0..1, got {score_N.min()}..{score_N.max()}")
    level_N = np.ceil(score_N * score_N.dtype.type(bins - 1) - score_N.dtype.type(0.5)).astype(np.int32)
    total = np.bincount(level_N, minlength=bins)
    positive = np.bincount(level_N[np.asarray(truth).ravel() != 0], minlength=bins)
    return ScoreHistogram(positive.astype(np.int32), (total - positive).astype(np.int32))


def average_precision(histogram: ScoreHistogram) -> Floats:
    """Exact average precision: sum over levels of (recall gained at the level) * (precision at the level).

    The step function of `sklearn.metrics.average_precision_score` on the rounded scores, equal scores taken
    together. NaN where the truth is empty (scikit-learn returns 0 and warns).
    """
    positive, negative = (np.asarray(part, np.float64)[..., ::-1] for part in histogram)
    found = positive.cumsum(-1)
    predicted = found + negative.cumsum(-1)
    gained = positive * np.divide(found, predicted, out=np.zeros_like(found), where=predicted > 0)
    return _ratio(gained.sum(-1), found[..., -1])


def merge_levels(histogram: ScoreHistogram, *, most: int | None = None) -> ScoreHistogram:
    """Photographs' histograms ``[N, L]`` with only the levels where some photograph has truth ``[N, l]``.

    Pixels outside the truth are moved down to the next such level (dropped below the lowest), which changes no
    average precision, of the pool or of any resample: precision counts only where recall grows.

    Args:
        histogram: of N photographs.
        most: if more levels are left, neighbours are joined until about ``most`` hold equal shares of the pooled truth;
            average precision then changes by less than 1 / ``most`` times the fall of precision over the curve.
    """
    positive_L = np.asarray(histogram.positive).sum(0, dtype=np.int64)
    levels = np.flatnonzero(positive_L)
    if not len(levels):
        return ScoreHistogram(histogram.positive[:, :1], histogram.negative[:, :1])
    if most is not None and len(levels) > most:
        share = positive_L[levels].cumsum() / positive_L.sum()
        levels = levels[np.unique(np.searchsorted(share, np.arange(most) / most, side="right"))]
    return ScoreHistogram(*(np.add.reduceat(part, levels, axis=1) for part in histogram))


def predicted_above(histogram: ScoreHistogram, thresholds: npt.ArrayLike) -> tuple[npt.NDArray, npt.NDArray]:
    """Pixels with score > threshold, inside and outside the truth, each ``[..., M]`` for thresholds ``[M]``.

    Everything counts as predicted at threshold 0, also pixels whose score was rounded to 0 or set to 0 outside the
    field of view: a sigmoid's output is never 0, and the literature's code works on that.
    """
    bins = histogram.positive.shape[-1]
    first = np.floor(np.asarray(thresholds, np.float64) * (bins - 1) + 1e-9).astype(int) + 1
    first[np.asarray(thresholds) <= 0] = 0
    above = []
    for part in histogram:
        from_top = np.cumsum(np.asarray(part)[..., ::-1], axis=-1, dtype=np.float64)[..., ::-1]
        padded = np.concatenate([from_top, np.zeros_like(from_top[..., :1])], axis=-1)
        above.append(padded[..., first])
    return above[0], above[1]


def precision_recall(histogram: ScoreHistogram, thresholds: npt.ArrayLike) -> PrecisionRecall:
    """Precision and recall where score > threshold. Nothing predicted: precision 1. Empty truth: recall 0."""
    inside, outside = predicted_above(histogram, thresholds)
    truth = np.asarray(histogram.positive).sum(-1, dtype=np.float64)[..., None]
    predicted = inside + outside
    precision = np.divide(inside, predicted, out=np.ones_like(inside), where=predicted > 0)
    recall = np.divide(inside, truth, out=np.zeros_like(inside), where=truth > 0)
    return PrecisionRecall(precision, recall, np.asarray(thresholds, np.float64))


def aupr(histogram: ScoreHistogram, thresholds: int = 11) -> Floats:
    """Area under the precision-recall curve as the IDRiD literature computes it: few thresholds, trapezoids.

    Thresholds are spaced equally over 0..1, ends included; a pixel is predicted where score > threshold; precision is
    1 where nothing is predicted; the curve is not extended beyond its points. 11 thresholds is what M2MRF (Liu et
    al. 2023) and HRDecoder (2024) ran, see ``mmseg/core/evaluation`` in both repositories (github.com/CVIU-CSU); 33
    is the IDRiD challenge's count, as M2MRF's code names it. Trapezoids between so few points overestimate: 4 to 9
    points above `average_precision` on published weights. NaN where the truth is empty (theirs: 0).
    """
    points = precision_recall(histogram, np.linspace(0, 1, thresholds))
    return area_by_trapezoids(points, np.asarray(histogram.positive).sum(-1) > 0)


def area_by_trapezoids(points: PrecisionRecall, has_truth: npt.ArrayLike) -> Floats:
    """Area under ``[..., M]`` points of ascending thresholds, NaN where there is no truth."""
    steps = points.recall[..., :-1] - points.recall[..., 1:]
    area = (steps * (points.precision[..., :-1] + points.precision[..., 1:]) / 2).sum(-1)
    return np.where(has_truth, area, np.nan)


def best_threshold(histogram: ScoreHistogram, *, default: float = 0.5, least: float = 0.0) -> float:
    """The threshold whose pooled Dice is the highest; the lowest of several equal ones.

    It lies halfway between two levels, so that rounded and unrounded scores give the same mask. ``default`` where the
    truth is empty, or the highest Dice below ``least``: there is nothing to choose by, and the best of useless masks
    may cover the whole photograph.
    """
    positive, negative = (np.asarray(part, np.float64)[::-1].cumsum()[::-1] for part in histogram)
    if positive[0] == 0:
        return default
    dice = 2 * positive / (positive + negative + positive[0])
    level = 1 + int(np.argmax(dice[1:]))
    if dice[level] < least:
        return default
    return (level - 0.5) / (len(dice) - 1)


def _ratio(numerator: npt.NDArray, denominator: npt.NDArray) -> Floats:
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where(denominator > 0, np.divide(numerator, denominator), np.nan)
