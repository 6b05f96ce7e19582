"""Times are taken in turn; the interval of a median holds it as often as it says."""

import numpy as np
import pytest

from shared.export.timing import interleaved, median


def test_one_call_of_each_in_turn_and_the_first_rounds_do_not_count():
    calls = []
    runs = {name: (lambda name=name: calls.append(name)) for name in "ab"}
    seconds = interleaved(runs, repeats=3, warm_up=2)
    assert calls == list("ab" * 5)
    assert {name: taken.shape for name, taken in seconds.items()} == {"a": (3,), "b": (3,)}
    assert all((taken >= 0).all() for taken in seconds.values())


@pytest.mark.parametrize("count", [6, 9, 20])
def test_the_interval_holds_the_median_of_a_skewed_distribution(count):
    generator = np.random.default_rng(0)
    found = [median(generator.exponential(size=count)) for _ in range(3000)]
    held = np.mean([one.low <= np.log(2) <= one.high for one in found])
    assert 0.945 < held < 0.985
    assert all(one.low <= one.value <= one.high for one in found)


def test_of_nine_values_the_second_and_the_eighth():
    # P(at most 1 of 9 below the median) = 10 / 512 < 2.5 %, P(at most 2) = 46 / 512.
    assert median([9, 1, 8, 2, 7, 3, 6, 4, 5]) == (5, 2, 8)


def test_too_few_values_have_no_interval():
    assert np.isnan(median([1, 2, 3, 4, 5]).low)
    assert median([1, 2, 3]).value == 2
