"""Means, intervals and differences against closed forms."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from shared.comparison.curves import curves, standings
from shared.comparison.records import compare
from shared.errors import DataError
from tests.support.errors import fails_with


def test_means_by_epoch_and_intervals_of_photographs(write_run: Callable[..., Path]) -> None:
    found = curves(compare([write_run("one", level=0.2)]))
    curve = next(item for item in found if (item.part, item.measure) == ("validation", "dice_disc"))
    np.testing.assert_allclose(curve.mean_E, 0.21 + 0.1 * np.arange(4))
    # Three photographs: the bootstrap mean is never outside of them, and its extremes have a chance of 1/27 each.
    np.testing.assert_allclose(curve.low_E, 0.2 + 0.1 * np.arange(4), atol=1e-9)
    np.testing.assert_allclose(curve.high_E, 0.22 + 0.1 * np.arange(4), atol=1e-9)
    halves = next(item for item in found if (item.part, item.measure) == ("training", "accuracy_all"))
    np.testing.assert_allclose(halves.mean_E, (0.2 + 0.04 / 3 + 0.1 * np.arange(4)) / 2)


def test_differences_are_paired(write_run: Callable[..., Path]) -> None:
    """Photographs differ by 0.01, the runs by 0.3 on each of them: the difference has no spread."""
    runs = [
        write_run(f"{n}{s}", level=level, loss_name=n, seed=s) for n, level in (("a", 0.1), ("b", 0.4)) for s in (0, 1)
    ]
    found = standings(compare(runs))
    first, second = (item for item in found if (item.part, item.measure) == ("validation", "dice_disc"))
    assert (first.group, first.runs, first.photographs) == ("loss_name a", 2, 3)
    assert math.isnan(first.difference)
    assert second.mean == pytest.approx(0.4 + 0.3 + 0.01)
    assert second.difference == pytest.approx(0.3)
    assert (second.difference_low, second.difference_high) == (pytest.approx(0.3), pytest.approx(0.3))
    assert second.p_holm == pytest.approx(0)


def test_seeds_that_do_not_match_are_compared_by_their_means(write_run: Callable[..., Path]) -> None:
    runs = [write_run("a", loss_name="a"), *(write_run(f"b{s}", level=0.1 + s, loss_name="b", seed=s) for s in (0, 1))]
    second = [item for item in standings(compare(runs)) if item.measure == "dice_disc"][1]
    assert second.difference == pytest.approx(0.5)
    assert math.isnan(second.p_holm)


def test_the_epoch_of_each_run(write_run: Callable[..., Path]) -> None:
    runs = [write_run("a", epochs=3, best=1, loss_name="a"), write_run("b", epochs=2, best=2, loss_name="b")]
    means = {
        epoch: [item.mean for item in standings(compare(runs), epoch=epoch) if item.measure == "dice_disc"][-2:]
        for epoch in ("last", "best")
    }
    np.testing.assert_allclose(means["last"], [0.41, 0.31])
    np.testing.assert_allclose(means["best"], [0.21, 0.31])


def test_a_best_epoch_that_was_not_recorded_is_not_replaced_by_another(write_run: Callable[..., Path]) -> None:
    passed_over = compare([write_run("a", best=7)])
    with fails_with(DataError, "kept epoch 7; it recorded the epochs 0, 1, 2, 3"):
        standings(passed_over, epoch="best")
    assert standings(passed_over, epoch="last")
    with fails_with(DataError, "no model.json that names its best epoch"):
        standings(compare([write_run("b")]), epoch="best")
    untrained = standings(compare([write_run("c", best=0)]), epoch="best")
    assert next(item.mean for item in untrained if item.measure == "dice_disc") == pytest.approx(0.115)
