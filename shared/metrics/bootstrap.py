"""Percentile bootstrap over photographs (Efron 1979): how far a number would move with other photographs."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from shared.metrics.histogram import ScoreHistogram, average_precision, merge_levels

Floats = npt.NDArray[np.float64]
CHUNK_ELEMENTS = 2**22
RESAMPLED_LEVELS = 4096


def resample(count: int, *, samples: int, seed: int) -> Floats:
    """How often each of ``count`` photographs is drawn in each resample, ``[B, N]``; rows sum to ``count``.

    No resample of fewer than two photographs (``B`` = 0): they say nothing about other photographs.
    """
    if count < 2 or samples == 0:
        return np.zeros((0, count))
    draws_BN = np.random.default_rng(seed).integers(count, size=(samples, count))
    rows_BN = np.arange(samples)[:, None] * count
    return np.bincount((draws_BN + rows_BN).ravel(), minlength=samples * count).reshape(samples, count).astype(float)


def interval(values_B: npt.ArrayLike, *, confidence: float = 0.95) -> tuple[float, float]:
    """Percentile interval of the resampled values; undefined (NaN) resamples are left out, NaN if all are."""
    values_B = np.asarray(values_B, np.float64)
    defined = values_B[~np.isnan(values_B)]
    if not len(defined):
        return float("nan"), float("nan")
    low, high = np.quantile(defined, [(1 - confidence) / 2, (1 + confidence) / 2])
    return float(low), float(high)


def resampled_sum(weights_BN: Floats, values_N: npt.NDArray) -> Floats:
    """Pools ``[B, ...]`` of values ``[N, ...]``."""
    return np.tensordot(weights_BN, np.asarray(values_N, np.float64), axes=1)


def resampled_average_precision(weights_BN: Floats, histogram_NL: ScoreHistogram) -> Floats:
    """Average precision ``[B]`` of every re-pooled set of photographs, to within about 1 / `RESAMPLED_LEVELS`."""
    merged = merge_levels(histogram_NL, most=RESAMPLED_LEVELS)
    return _in_chunks(
        lambda rows: average_precision(ScoreHistogram(*(resampled_sum(rows, part) for part in merged))),
        weights_BN,
        merged.positive.shape[-1],
    )


def mean_of_defined(values: npt.ArrayLike, axis: int = 0) -> Floats:
    """Mean without NaN, NaN where all are."""
    values = np.asarray(values, np.float64)
    known = ~np.isnan(values)
    count = known.sum(axis)
    total = np.where(known, values, 0).sum(axis)
    return np.divide(total, count, out=np.full(np.shape(total), np.nan), where=count > 0)


def _in_chunks(function: Callable[[Floats], Floats], weights_BN: Floats, row_elements: int) -> Floats:
    rows = max(1, CHUNK_ELEMENTS // max(1, row_elements))
    parts = [function(weights_BN[start : start + rows]) for start in range(0, len(weights_BN), rows)]
    return np.concatenate(parts) if parts else np.zeros(0)
