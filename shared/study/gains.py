"""How much of a gap a row closes, and what training several tasks together gains."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from shared.metrics.bootstrap import interval, mean_of_defined
from shared.study.collect import Results
from shared.study.compare import SAMPLES
from shared.study.metric import Metric
from shared.study.stages import Row
from shared.study.statistics import Resamples, draw, mean_over_runs, resampled_mean

Floats = npt.NDArray[np.float64]


class GapShare(NamedTuple):
    """The share of the way from floor to ceiling that a row goes; ``gap`` with its interval."""

    row: str
    metric: str
    floor: str
    ceiling: str
    share: float
    low: float
    high: float
    gap: float
    gap_low: float
    gap_high: float


class MultiTaskGain(NamedTuple):
    """Delta_m in per cent (Maninis et al. 2019): mean over tasks of the relative gain over the single-task row."""

    row: str
    delta_m: float
    deviation: float
    low: float
    high: float
    seeds: int


def gap_shares(results: Results, metric: Metric, resamples: Resamples) -> list[GapShare]:
    """(row - floor) / (ceiling - floor) of every row that is neither; seeds that all three have."""
    gap = results.study.content.get("gap")
    if gap is None:
        return []
    shares = []
    for row in results.study.rows:
        floor, ceiling = (results.study.partner(row, gap[end]) for end in ("floor", "ceiling"))
        if floor is None or ceiling is None or floor.label == ceiling.label:
            continue
        triple = [results.values(item, metric.name) for item in (row, floor, ceiling)]
        absent_SJ = np.isnan(np.stack(triple)).any(0)
        if absent_SJ.all():
            continue
        here, low, high = (np.where(absent_SJ, np.nan, values_SJ) for values_SJ in triple)
        gained, whole = mean_over_runs(here - low), mean_over_runs(high - low)
        gained_R, whole_R = resampled_mean(here - low, resamples), resampled_mean(high - low, resamples)
        share_R = np.divide(gained_R, whole_R, out=np.full(len(whole_R), np.nan), where=whole_R != 0)
        share = gained / whole if whole else math.nan
        ends = (floor.label, ceiling.label)
        shares.append(GapShare(row.label, metric.name, *ends, share, *interval(share_R), whole, *interval(whole_R)))
    return shares


def multi_task_gains(results: Results) -> list[MultiTaskGain]:
    """Delta_m of every row that has all metrics of ``delta_m``, in the means over the seeds that all have."""
    baselines = results.study.content.get("delta_m", {})
    if not baselines:
        return []
    metrics = [results.study.metric(name) for name in baselines]
    signs_T = np.array([1.0 if metric.larger_is_better else -1.0 for metric in metrics])
    single_TS = np.stack([_seeds(results, results.study.row(baselines[metric.name]), metric) for metric in metrics])
    seeds = len(results.study.seeds)
    resamples = draw(seeds, 1, samples=SAMPLES, seed=0)
    gains = []
    for row in results.study.rows:
        row_TS = np.stack([_seeds(results, row, metric) for metric in metrics])
        known_S = ~np.isnan(row_TS + single_TS).any(0)
        if not known_S.any():
            continue

        count = int(known_S.sum())
        row_TS, baseline_TS = row_TS[:, known_S], single_TS[:, known_S]
        each_S = relative_gain(row_TS, baseline_TS, signs_T, np.eye(count))
        whole = float(relative_gain(row_TS, baseline_TS, signs_T, np.ones((count, 1)))[0])
        deviation, low, high = math.nan, math.nan, math.nan
        if count > 1:
            deviation = float(each_S.std(ddof=1))
            low, high = interval(relative_gain(row_TS, baseline_TS, signs_T, resamples.seeds_RS.T[known_S]))
        gains.append(MultiTaskGain(row.label, whole, deviation, low, high, count))
    return gains


def relative_gain(row_TS: Floats, single_TS: Floats, signs_T: Floats, weights_SX: Floats) -> Floats:
    """Delta_m in per cent ``[X]`` for each weighting of the seeds."""
    row_TX, single_TX = row_TS @ weights_SX, single_TS @ weights_SX
    relative_TX = np.divide(row_TX - single_TX, single_TX, out=np.full_like(row_TX, np.nan), where=single_TX != 0)
    return 100 * np.mean(signs_T[:, None] * relative_TX, axis=0)


def _seeds(results: Results, row: Row, metric: Metric) -> Floats:
    return mean_of_defined(results.values(row, metric.name), 1)
