"""Means over photographs and seeds by epoch, with intervals, and differences from the first group.

Dimensions: S runs of a group (seeds), E epochs, J photographs.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from shared.comparison.records import Comparison, Group, Record
from shared.errors import DataError
from shared.metrics.bootstrap import interval
from shared.study.statistics import Resamples, draw, holm, mean_over_runs, paired_test, resampled_mean

Floats = npt.NDArray[np.float64]
SAMPLES = 1000
LAST, BEST = "last", "best"
EPOCHS = (LAST, BEST)


class Curve(NamedTuple):
    """A measure of a group by epoch: mean over runs of the mean over photographs, and its 95 % interval.

    NaN where there is nothing; intervals are NaN with one run and one photograph.
    """

    group: str
    part: str
    measure: str
    mean_E: Floats
    low_E: Floats
    high_E: Floats


class Standing(NamedTuple):
    """A measure of a group at one epoch of each run, and its difference from the first group, paired by photograph (and
    seed, where both groups have the same); ``p_holm`` over the groups of a measure, NaN with fewer than two seeds."""

    group: str
    part: str
    measure: str
    runs: int
    photographs: int
    mean: float
    low: float
    high: float
    difference: float
    difference_low: float
    difference_high: float
    p_holm: float


def curves(comparison: Comparison) -> list[Curve]:
    """All curves: groups by parts by measures."""
    found = []
    for part in comparison.parts:
        for measure in comparison.measures:
            for group in comparison.groups:
                values_SEJ = comparison.values(group, part, measure)
                resamples = _resamples(values_SEJ)
                points = [
                    (mean_over_runs(values_SJ), *_interval(values_SJ, resamples))
                    for values_SJ in np.moveaxis(values_SEJ, 1, 0)
                ]
                found.append(Curve(group.label, part, measure, *np.array(points).T))
    return found


def standings(comparison: Comparison, *, epoch: str = LAST) -> list[Standing]:
    """All measures at one epoch of each run.

    Args:
        comparison: of runs.
        epoch: "last" recorded one of each run, or its "best": the one whose weights it kept.

    Raises:
        DataError: a run's best epoch is not known, or was not recorded.
    """
    found: list[Standing] = []
    for part in comparison.parts:
        for measure in comparison.measures:
            first_SJ = _at(comparison, comparison.groups[0], part, measure, epoch)
            rows: list[dict[str, Any]] = []
            tests = []
            for group in comparison.groups:
                values_SJ = _at(comparison, group, part, measure, epoch)
                # Of groups with other seeds their means over runs are compared.
                paired = _seeds(group) == _seeds(comparison.groups[0])
                pair = (values_SJ, first_SJ) if paired else (_over_runs(values_SJ), _over_runs(first_SJ))
                difference_SJ = pair[0] - pair[1]
                is_first = group.label == comparison.groups[0].label
                low, high = _interval(values_SJ, _resamples(values_SJ[:, None]))
                less_low, less_high = _interval(difference_SJ, _resamples(difference_SJ[:, None]))
                rows.append(
                    {
                        "group": group.label,
                        "part": part,
                        "measure": measure,
                        "runs": len(values_SJ),
                        "photographs": int((~np.isnan(values_SJ)).any(0).sum()),
                        "mean": mean_over_runs(values_SJ),
                        "low": low,
                        "high": high,
                        "difference": math.nan if is_first else mean_over_runs(difference_SJ),
                        "difference_low": math.nan if is_first else less_low,
                        "difference_high": math.nan if is_first else less_high,
                    }
                )
                tests.append(math.nan if is_first or not paired else paired_test(difference_SJ).p)
            found += [Standing(**row, p_holm=p) for row, p in zip(rows, holm(tests), strict=True)]
    return found


def _at(comparison: Comparison, group: Group, part: str, measure: str, epoch: str) -> Floats:
    """``[S, J]`` at the last or best epoch of each run."""
    values_SEJ = comparison.values(group, part, measure)
    chosen = []
    for record in group.records:
        chosen.append(list(comparison.epochs).index(record.epochs[-1] if epoch == LAST else _best(record)))
    return np.stack([values_EJ[place] for values_EJ, place in zip(values_SEJ, chosen, strict=True)])


def _best(record: Record) -> int:
    """The epoch whose weights a run kept, if it recorded that one; recording every so many epochs may pass it over."""
    if record.best is not None and record.best in record.epochs:
        return record.best
    missing = "has no model.json that names its best epoch" if record.best is None else f"kept epoch {record.best}"
    raise DataError(
        f"the run {record.folder} {missing}; it recorded the epochs {', '.join(map(str, record.epochs))}",
        expected="the best epoch of every run among those that it recorded",
        fix="compare at the last one (--epoch last), or train with `interval` 1 of RecordPhotographs",
    )


def _seeds(group: Group) -> list[Any]:
    return [record.seed for record in group.records]


def _over_runs(values_SJ: Floats) -> Floats:
    known_SJ = ~np.isnan(values_SJ)
    total_J, count_J = np.where(known_SJ, values_SJ, 0).sum(0), known_SJ.sum(0)
    return np.divide(total_J, count_J, out=np.full(len(count_J), np.nan), where=count_J > 0)[None]


def _resamples(values_SEJ: Floats) -> Resamples:
    return draw(values_SEJ.shape[0], values_SEJ.shape[2], samples=SAMPLES, seed=0)


def _interval(values_SJ: Floats, resamples: Resamples) -> tuple[float, float]:
    if not len(resamples.seeds_RS) or np.isnan(values_SJ).all():
        return math.nan, math.nan
    return interval(resampled_mean(values_SJ, resamples))
