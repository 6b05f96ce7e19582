"""What repeated runs on the same subjects say: intervals, tests against a control, and what could have been found.

Dimensions: S seeds, J subjects (photographs, volumes, patients; 1 where a run gives one number), R resamples.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from shared.metrics.bootstrap import mean_of_defined, resample

Floats = npt.NDArray[np.float64]
MOST_EXACT_FLIPS = 16
FLIPS = 2**16
QUADRATURE = 4096


class Resamples(NamedTuple):
    """How often each seed ``[R, S]`` and each subject ``[R, J]`` is drawn in each resample."""

    seeds_RS: Floats
    subjects_RJ: Floats


class PairedTest(NamedTuple):
    """A difference with what a test needs; NaN where it cannot be had (one seed)."""

    difference: float
    standard_error: float
    degrees: float
    p: float
    seeds: int
    subjects: int


def draw(seeds: int, subjects: int, *, samples: int, seed: int) -> Resamples:
    """Bootstrap weights for both kinds of variation, drawn independently (Owen 2007, the pigeonhole bootstrap).

    The subjects are the same for every seed, so they are resampled together for all of them; drawing anew within each
    seed would treat a hard subject as bad luck of one seed. One seed, or one subject, is not resampled.
    """
    if seeds < 2 and subjects < 2:
        return Resamples(np.zeros((0, seeds)), np.zeros((0, subjects)))
    parts = [
        resample(count, samples=samples, seed=seed + position) if count > 1 else np.ones((samples, count))
        for position, count in enumerate((seeds, subjects))
    ]
    return Resamples(*parts)


def mean_over_runs(values_SJ: npt.ArrayLike) -> float:
    """Mean over seeds of the mean over subjects; cells that are NaN are absent."""
    return float(mean_of_defined(mean_of_defined(values_SJ, 1)))


def resampled_mean(values_SJ: npt.ArrayLike, resamples: Resamples) -> Floats:
    """`mean_over_runs` of every resample ``[R]``; NaN where nothing defined was drawn."""
    values_SJ = np.asarray(values_SJ, np.float64)
    known_SJ = ~np.isnan(values_SJ)
    counts_RS = resamples.subjects_RJ @ known_SJ.T
    sums_RS = resamples.subjects_RJ @ np.where(known_SJ, values_SJ, 0.0).T
    means_RS = np.divide(sums_RS, counts_RS, out=np.zeros_like(sums_RS), where=counts_RS > 0)
    weights_RS = resamples.seeds_RS * (counts_RS > 0)
    total_R = weights_RS.sum(1)
    return np.divide((weights_RS * means_RS).sum(1), total_R, out=np.full(len(total_R), np.nan), where=total_R > 0)


def paired_test(difference_SJ: npt.ArrayLike) -> PairedTest:
    """Whether the mean of paired differences is zero, for other seeds and other subjects alike, two-sided.

    Seeds and subjects are both random and crossed, as readers and cases are in reader studies: the two-way random
    analysis of variance without replication, with the variance ``(MS_s + max(MS_j - MS_e, 0)) / (S J)`` of the mean and
    Hillis's degrees of freedom ``(MS_s + max(MS_j - MS_e, 0))^2 / (MS_s^2 / (S - 1))`` (Obuchowski and Rockette 1995,
    Hillis 2007). With one number per seed this is the paired t test over seeds. Subjects that are not defined for every
    seed are left out; with fewer than two left, each seed's mean counts.

    Args:
        difference_SJ: row less control, same seed and subject.
    """
    from scipy import stats

    values_SJ = np.asarray(difference_SJ, np.float64)
    values_SJ = values_SJ[~np.isnan(values_SJ).all(1)]
    difference = mean_over_runs(values_SJ) if values_SJ.size else math.nan
    complete_SJ = values_SJ[:, ~np.isnan(values_SJ).any(0)]
    if complete_SJ.shape[1] < 2:
        complete_SJ = mean_of_defined(values_SJ, 1)[:, None]
    seeds, subjects = complete_SJ.shape
    if seeds < 2:
        return PairedTest(difference, math.nan, math.nan, math.nan, seeds, subjects)
    mean = complete_SJ.mean()
    rows_S, columns_J = complete_SJ.mean(1), complete_SJ.mean(0)
    seeds_ms = subjects * ((rows_S - mean) ** 2).sum() / (seeds - 1)
    excess = 0.0
    if subjects > 1:
        rest_SJ = complete_SJ - rows_S[:, None] - columns_J + mean
        rest_ms = (rest_SJ**2).sum() / ((seeds - 1) * (subjects - 1))
        excess = max(seeds * ((columns_J - mean) ** 2).sum() / (subjects - 1) - rest_ms, 0.0)
    error = math.sqrt((seeds_ms + excess) / (seeds * subjects))
    degrees = (seeds_ms + excess) ** 2 / (seeds_ms**2 / (seeds - 1)) if seeds_ms > 0 else math.inf
    if error < 1e-12:
        p = 1.0 if abs(mean) < 1e-12 else 0.0
        return PairedTest(difference, 0.0, float(seeds - 1), p, seeds, subjects)
    p = 2 * float(stats.t.sf(abs(mean) / error, degrees))
    return PairedTest(difference, error, degrees, p, seeds, subjects)


def sign_flip_p(difference_S: npt.ArrayLike) -> float:
    """Two-sided permutation p of the mean of paired differences under changes of their signs; assumes symmetry only.

    Exact up to `MOST_EXACT_FLIPS` seeds; its smallest value is 2 / 2^S, so that five seeds or fewer never reach 0.05.
    NaN without differences.
    """
    values_S = np.asarray(difference_S, np.float64)
    values_S = values_S[~np.isnan(values_S)]
    count = len(values_S)
    if not count:
        return math.nan
    if count <= MOST_EXACT_FLIPS:
        signs = np.array(list(itertools.product((1.0, -1.0), repeat=count)))
        extra = 0
    else:
        signs = np.random.default_rng(0).choice((1.0, -1.0), size=(FLIPS, count))
        extra = 1
    reached = np.abs(signs @ values_S) >= abs(values_S.sum()) * (1 - 1e-12) - 1e-15
    return float((reached.sum() + extra) / (len(signs) + extra))


def holm(p_values: Sequence[float]) -> list[float]:
    """Holm's step-down adjustment (1979): controls the family-wise error; NaN stays and is not counted."""
    p = np.asarray(p_values, np.float64)
    order = [index for index in np.argsort(p, kind="stable") if not np.isnan(p[index])]
    adjusted = np.full(len(p), np.nan)
    highest = 0.0
    for rank, index in enumerate(order):
        highest = max(highest, min(1.0, (len(order) - rank) * p[index]))
        adjusted[index] = highest
    return adjusted.tolist()


def smallest_difference(
    standard_error: float, degrees: float, *, comparisons: int = 1, alpha: float = 0.05, power: float = 0.8
) -> float:
    """The true difference that a two-sided t test of this design finds with the given power.

    Args:
        standard_error: of the mean difference, as seen in the data.
        degrees: of freedom.
        comparisons: that share ``alpha`` equally (Bonferroni: the first step of Holm's).
        alpha: family-wise.
        power: wanted.

    Returns:
        in units of the metric; NaN without a standard error.
    """
    from scipy import optimize, stats

    if standard_error == 0:
        return 0.0
    if not (math.isfinite(standard_error) and degrees > 0):
        return math.nan
    degrees = min(degrees, 1e6)
    critical = float(stats.t.ppf(1 - alpha / comparisons / 2, degrees))

    # The noncentral t distribution as a mixture of normals; SciPy's own is undefined at few degrees of freedom.
    levels = (np.arange(QUADRATURE) + 0.5) / QUADRATURE
    bars = critical * np.sqrt(stats.chi2.ppf(levels, degrees) / degrees)

    def lacking(shift: float) -> float:
        return float(np.mean(stats.norm.sf(bars - shift) + stats.norm.cdf(-bars - shift))) - power

    high = critical + 4
    while lacking(high) < 0:
        high *= 2
    return standard_error * float(optimize.brentq(lacking, 0.0, high))
