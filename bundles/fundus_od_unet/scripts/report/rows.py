"""Every number of an evaluation on discs with its interval, by data set."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from scripts.entry import CUP, DISC
from scripts.report.scored import MODEL, Scored
from shared.metrics.bootstrap import interval, resample
from shared.metrics.volumes import mean_over

NAN = float("nan")


class DiscRow(NamedTuple):
    """One number: ``prediction`` is what was compared; ``task`` the class, or "vertical_cup_to_disc"; ``subset`` the
    data set; ``n`` photographs for which it is defined; ``low``..``high`` NaN where there is no interval."""

    prediction: str
    subset: str
    task: str
    metric: str
    value: float
    low: float
    high: float
    n: int


def disc_rows(scored: Sequence[Scored], *, samples: int, seed: int) -> list[DiscRow]:
    """Means over the photographs of each data set, of every comparison and measure that any of them has.

    Args:
        scored: photographs.
        samples: bootstrap resamples over persons; 0 for no intervals.
        seed: of the resamples, the same for all measures.
    """
    rows = []
    for data_set in dict.fromkeys(item.data_set for item in scored):
        inside = [item for item in scored if item.data_set == data_set]
        persons = list(dict.fromkeys(item.person for item in inside))
        person_N = np.array([persons.index(item.person) for item in inside])
        weights_BN = resample(len(persons), samples=samples, seed=seed)[:, person_N]
        for prediction in comparisons(inside):
            measured = [item.values.get(prediction, {}) for item in inside]
            for task, metric in dict.fromkeys(key for values in measured for key in values):
                values_N = np.array([values.get((task, metric), NAN) for values in measured])
                known_N = ~np.isnan(values_N)
                several = len(set(person_N[known_N])) > 1
                limits = interval(mean_over(values_N, weights_BN)) if several else (NAN, NAN)
                value = float(mean_over(values_N))
                rows.append(DiscRow(prediction, data_set, task, metric, value, *limits, int(known_N.sum())))
    return rows


def comparisons(scored: Sequence[Scored]) -> list[str]:
    """What was compared, the model first."""
    names = dict.fromkeys(name for item in scored for name in item.values)
    return sorted(names, key=lambda name: (name != MODEL, not name.startswith(MODEL)))


def classes_of(rows: Sequence[DiscRow]) -> list[str]:
    """Disc and cup, where they were measured."""
    return [name for name in (DISC, CUP) if any(row.task == name for row in rows)]
