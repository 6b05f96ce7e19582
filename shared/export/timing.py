"""Times of several ways to do the same, taken in turn so that a busy machine slows all of them alike."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from scipy.stats import binom

Floats = npt.NDArray[np.float64]


class Median(NamedTuple):
    """A median and its interval of 95 % confidence; NaN where there are too few values for one."""

    value: float
    low: float
    high: float


def interleaved(runs: Mapping[str, Callable[[], object]], *, repeats: int, warm_up: int = 2) -> dict[str, Floats]:
    """Seconds of every call ``[repeats]`` by name: one of each in turn; ``warm_up`` rounds before do not count."""
    seconds: dict[str, list[float]] = {name: [] for name in runs}
    for number in range(warm_up + repeats):
        for name, run in runs.items():
            start = time.perf_counter()
            run()
            taken = time.perf_counter() - start
            if number >= warm_up:
                seconds[name].append(taken)
    return {name: np.array(taken) for name, taken in seconds.items()}


def median(values: npt.ArrayLike, *, confidence: float = 0.95) -> Median:
    """The median with its interval by order statistics, which supposes no distribution.

    The number of values below the true median is binomial (n, 1/2): the interval runs from one ordered value to the
    one as far from the other end, such that it holds the median with at least this probability.
    """
    ordered = np.sort(np.asarray(values, np.float64))
    count = len(ordered)
    outside = int(binom.ppf((1 - confidence) / 2, count, 0.5)) - 1
    if outside < 0:
        return Median(float(np.median(ordered)), float("nan"), float("nan"))
    return Median(float(np.median(ordered)), float(ordered[outside]), float(ordered[count - 1 - outside]))
