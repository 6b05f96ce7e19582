"""Rows of the table: summaries, and comparisons with the control."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from shared.metrics.bootstrap import interval, mean_of_defined
from shared.study.collect import Results
from shared.study.metric import Metric
from shared.study.stages import Row
from shared.study.statistics import (
    Resamples,
    draw,
    holm,
    paired_test,
    resampled_mean,
    sign_flip_p,
    smallest_difference,
)

Floats = npt.NDArray[np.float64]
SAMPLES = 2000


class Summary(NamedTuple):
    """A metric of a row: mean over seeds, their standard deviation, 95 % bootstrap interval over seeds and subjects."""

    row: str
    metric: str
    mean: float
    deviation: float
    low: float
    high: float
    seeds: int
    subjects: int


class Comparison(NamedTuple):
    """A row less its control, paired by seed and subject; ``p_holm`` within the metric."""

    row: str
    metric: str
    control: str
    difference: float
    low: float
    high: float
    p: float
    p_holm: float
    p_sign_flip: float
    degrees: float
    smallest_difference: float
    seeds: int
    subjects: int


def resamples_of(results: Results, metric: Metric) -> Resamples:
    """The resamples that all rows of a metric share."""
    return draw(len(results.study.seeds), len(results.subjects(metric.name)), samples=SAMPLES, seed=0)


def summarise(results: Results, row: Row, metric: Metric, resamples: Resamples) -> Summary | None:
    """A row's summary; None where nothing is finished."""
    values_SJ = results.values(row, metric.name)
    runs_S = _per_seed(values_SJ)
    if not len(runs_S):
        return None
    deviation = float(runs_S.std(ddof=1)) if len(runs_S) > 1 else math.nan
    subjects = int((~np.isnan(values_SJ)).any(0).sum())
    varied = len(runs_S) > 1 or subjects > 1
    low, high = interval(resampled_mean(values_SJ, resamples)) if varied else (math.nan, math.nan)
    return Summary(row.label, metric.name, float(runs_S.mean()), deviation, low, high, len(runs_S), subjects)


def compare(results: Results, metric: Metric, resamples: Resamples) -> list[Comparison]:
    """Every row with a control, as far as both have runs of the same seeds."""
    found = []
    for row in results.study.rows:
        control = results.study.control_of(row, metric)
        if control is None:
            continue
        difference_SJ = results.values(row, metric.name) - results.values(control, metric.name)
        if np.isnan(difference_SJ).all():
            continue
        found.append((row, control, difference_SJ, paired_test(difference_SJ)))
    adjusted = holm([test.p for *_, test in found])
    comparisons = []
    for (row, control, difference_SJ, test), p_holm in zip(found, adjusted, strict=True):
        varied = test.seeds > 1 or test.subjects > 1
        low, high = interval(resampled_mean(difference_SJ, resamples)) if varied else (math.nan, math.nan)
        comparisons.append(
            Comparison(
                row=row.label,
                metric=metric.name,
                control=control.label,
                difference=test.difference,
                low=low,
                high=high,
                p=test.p,
                p_holm=p_holm,
                p_sign_flip=sign_flip_p(mean_of_defined(difference_SJ, 1)),
                degrees=test.degrees,
                smallest_difference=smallest_difference(test.standard_error, test.degrees, comparisons=len(found)),
                seeds=test.seeds,
                subjects=test.subjects,
            )
        )
    return comparisons


def _per_seed(values_SJ: Floats) -> Floats:
    runs_S = mean_of_defined(values_SJ, 1)
    return runs_S[~np.isnan(runs_S)]
