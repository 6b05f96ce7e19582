"""How far probabilities can be taken at their word: reliability, expected calibration error, Brier score, likelihood.

Everything is a sum over samples before it is a figure, so that sums of photographs are pooled by adding, and a weighted
sum is a bootstrap resample. Dimensions: N photographs, K classes, M bins of equal width over 0..1, L score levels.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from shared.metrics.bootstrap import resampled_sum
from shared.metrics.histogram import ScoreHistogram

Floats = npt.NDArray[np.float64]
BINS = 15
LEAST = 1e-12


class Reliability(NamedTuple):
    """Sums by bin of confidence ``[..., M]``: samples, their confidence, and how many are right (or true).

    Bin m holds the confidences in ``(m / M, (m + 1) / M]``, the first also 0.
    """

    samples: Floats
    confidence: Floats
    right: Floats

    def pooled(self, weights_BN: Floats | None = None) -> Reliability:
        """The sum over photographs ``[N, M]``, or that of every resample ``[B, M]``."""
        if weights_BN is None:
            return Reliability(*(part.sum(0) for part in self))
        return Reliability(*(resampled_sum(weights_BN, part) for part in self))


def bin_of(confidence: npt.ArrayLike, *, bins: int = BINS) -> npt.NDArray[np.int64]:
    """The bin of every confidence."""
    return np.clip(np.ceil(np.asarray(confidence, np.float64) * bins).astype(np.int64) - 1, 0, bins - 1)


def class_reliability(probabilities_NK: npt.ArrayLike, truth_N: npt.ArrayLike, *, bins: int = BINS) -> Reliability:
    """Confidence of the most probable class against whether it is right, one sample per row (Guo et al., ICML 2017)."""
    probabilities_NK = np.asarray(probabilities_NK, np.float64)
    confidence_N = probabilities_NK.max(1, initial=0)
    right_N = (probabilities_NK.argmax(1) == np.asarray(truth_N)).astype(np.float64)
    here_NM = np.eye(bins)[bin_of(confidence_N, bins=bins)]
    return Reliability(here_NM, here_NM * confidence_N[:, None], here_NM * right_N[:, None])


def pixel_reliability(histogram_NL: ScoreHistogram, *, bins: int = BINS) -> Reliability:
    """Probability of a mask's pixels against the share of them inside the truth, per photograph."""
    positive, negative = (np.asarray(part, np.float64) for part in histogram_NL)
    level_L = np.linspace(0, 1, positive.shape[-1])
    bin_L = bin_of(level_L, bins=bins)
    starts = np.searchsorted(bin_L, np.arange(bins))
    count = positive + negative
    return Reliability(
        *(np.add.reduceat(part, starts, axis=-1) for part in (count, count * level_L, positive)),
    )


def expected_calibration_error(reliability: Reliability) -> Floats:
    """``sum over bins of |right - confidence| / samples``: 0 for probabilities that can be taken at their word.

    Biased upwards on few samples: chance alone moves the shares of thinly filled bins. NaN without samples.
    """
    gap = np.abs(reliability.right - reliability.confidence).sum(-1)
    return _ratio(gap, reliability.samples.sum(-1))


def brier_N(probabilities_NK: npt.ArrayLike, truth_N: npt.ArrayLike) -> Floats:
    """Brier score of every row: the squared distance to the truth's one-hot vector, summed over classes, 0..2."""
    probabilities_NK = np.asarray(probabilities_NK, np.float64)
    one_hot_NK = np.eye(probabilities_NK.shape[1])[np.asarray(truth_N, np.int64)]
    return np.square(probabilities_NK - one_hot_NK).sum(1)


def negative_log_likelihood_N(probabilities_NK: npt.ArrayLike, truth_N: npt.ArrayLike) -> Floats:
    """Minus the natural logarithm of the true class's probability, which counts as 1e-12 at least."""
    probabilities_NK = np.asarray(probabilities_NK, np.float64)
    own_N = np.take_along_axis(probabilities_NK, np.asarray(truth_N, np.int64)[:, None], axis=1)[:, 0]
    return -np.log(np.clip(own_N, LEAST, 1))


def pixel_scores(histogram_NL: ScoreHistogram) -> tuple[Floats, Floats, Floats]:
    """Per photograph ``[N]``: number of pixels, sum of (p - y)^2, and sum of -log of the probability of what is true.

    Probabilities of the lowest and highest level, which were rounded to 0 and 1, count as half a level away from them.
    """
    positive, negative = (np.asarray(part, np.float64) for part in histogram_NL)
    level_L = np.linspace(0, 1, positive.shape[-1])
    half = 0.5 / (positive.shape[-1] - 1)
    inner_L = np.clip(level_L, half, 1 - half)
    brier = positive @ np.square(1 - level_L) + negative @ np.square(level_L)
    return (positive + negative).sum(-1), brier, -(positive @ np.log(inner_L) + negative @ np.log(1 - inner_L))


def _ratio(numerator: npt.ArrayLike, denominator: npt.ArrayLike) -> Floats:
    numerator, denominator = np.asarray(numerator, np.float64), np.asarray(denominator, np.float64)
    return np.divide(numerator, denominator, out=np.full_like(denominator, np.nan), where=denominator > 0)
