"""Statistics of studies against closed forms, SciPy and plain loops."""

import itertools
import math

import numpy as np
import pytest
from scipy import stats

from shared.study.statistics import (
    draw,
    holm,
    mean_over_runs,
    paired_test,
    resampled_mean,
    sign_flip_p,
    smallest_difference,
)


def crossed(random, *, seeds, subjects, by_seed=1.0, by_subject=1.0, rest=1.0, effect=0.0):
    """Differences ``[S, J]`` with known variances of seeds, subjects and what is left."""
    return (
        effect
        + by_seed * random.standard_normal((seeds, 1))
        + by_subject * random.standard_normal((1, subjects))
        + rest * random.standard_normal((seeds, subjects))
    )


def test_one_number_per_seed_is_the_paired_t_test():
    random = np.random.default_rng(0)
    rows, control = random.standard_normal((2, 7))
    expected = stats.ttest_rel(rows, control)
    test = paired_test((rows - control)[:, None])
    assert test.p == pytest.approx(expected.pvalue, rel=1e-12)
    assert test.difference / test.standard_error == pytest.approx(expected.statistic, rel=1e-12)
    assert test.degrees == 6


def test_seeds_and_subjects_against_a_plain_analysis_of_variance():
    values = crossed(np.random.default_rng(1), seeds=4, subjects=5, by_subject=3.0)
    mean = sum(map(sum, values.tolist())) / 20
    of_seed = [sum(values[s].tolist()) / 5 for s in range(4)]
    of_subject = [sum(values[:, j].tolist()) / 4 for j in range(5)]
    ms_seed = 5 * sum((m - mean) ** 2 for m in of_seed) / 3
    ms_subject = 4 * sum((m - mean) ** 2 for m in of_subject) / 4
    cells = itertools.product(range(4), range(5))
    ms_rest = sum((values[s, j] - of_seed[s] - of_subject[j] + mean) ** 2 for s, j in cells) / 12
    assert ms_subject > ms_rest
    total = ms_seed + ms_subject - ms_rest
    test = paired_test(values)
    assert test.standard_error == pytest.approx(math.sqrt(total / 20), rel=1e-12)
    assert test.degrees == pytest.approx(total**2 / (ms_seed**2 / 3), rel=1e-12)
    assert test.p == pytest.approx(2 * stats.t.sf(abs(mean) / test.standard_error, test.degrees), rel=1e-12)


@pytest.mark.parametrize("spread", [{}, {"by_subject": 0.0}, {"by_seed": 0.2}], ids=["both", "seeds", "subjects"])
def test_without_an_effect_one_test_in_twenty_is_positive(spread):
    random = np.random.default_rng(2)
    found = [paired_test(crossed(random, seeds=6, subjects=10, **spread)).p < 0.05 for _ in range(600)]
    assert np.mean(found) < 0.08


def test_a_test_over_seeds_alone_would_mistake_these_subjects_for_all():
    """Why both are random: few subjects of large effect look significant when only seeds vary."""
    random = np.random.default_rng(3)
    naive, both = [], []
    for _ in range(300):
        values = crossed(random, seeds=6, subjects=4, by_seed=0.2, by_subject=1.0, rest=0.2)
        naive.append(stats.ttest_1samp(values.mean(1), 0).pvalue < 0.05)
        both.append(paired_test(values).p < 0.05)
    assert np.mean(naive) > 0.5
    assert np.mean(both) < 0.12


def test_corners_of_the_paired_test():
    assert math.isnan(paired_test([[0.1, 0.2, 0.3]]).p)
    assert paired_test(np.zeros((3, 1))).p == 1
    assert paired_test(np.full((3, 2), 0.5)).p == 0
    assert math.isnan(paired_test(np.full((3, 2), np.nan)).difference)
    holes = np.array([[0.1, np.nan, 0.3, 0.2], [0.2, 0.1, 0.2, 0.4], [0.0, 0.2, 0.1, 0.1], [np.nan] * 4])
    test = paired_test(holes)
    assert (test.seeds, test.subjects) == (3, 3)
    assert test.difference == pytest.approx(np.mean([0.2, 0.225, 0.1]))
    assert test.p == pytest.approx(paired_test(holes[:3, [0, 2, 3]]).p)


def test_sign_flips_by_hand_and_against_scipy():
    assert sign_flip_p([1.0] * 6) == pytest.approx(2 / 64)
    assert sign_flip_p([1.0] * 5) > 0.05
    assert sign_flip_p([0.3, -0.3]) == 1
    assert math.isnan(sign_flip_p([]))
    values = np.random.default_rng(4).normal(0.4, 1, 9)
    expected = stats.permutation_test((values,), np.mean, permutation_type="samples", n_resamples=np.inf)
    assert sign_flip_p(values) == pytest.approx(expected.pvalue)
    many = np.random.default_rng(5).normal(0.3, 1, 40)
    assert sign_flip_p(many) == pytest.approx(stats.ttest_1samp(many, 0).pvalue, abs=0.02)


def test_holm_by_hand():
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([0.6, 0.5]) == [1.0, 1.0]
    adjusted = holm([0.02, math.nan, 0.01])
    assert adjusted[::2] == pytest.approx([0.02, 0.02])
    assert math.isnan(adjusted[1])
    assert holm([]) == []


@pytest.mark.parametrize("degrees", [3, 5, 30])
def test_smallest_difference_has_the_power_of_the_noncentral_t(degrees):
    shift = smallest_difference(1.0, degrees, comparisons=2)
    critical = stats.t.ppf(1 - 0.05 / 4, degrees)
    assert stats.nct.sf(critical, degrees, shift) + stats.nct.cdf(-critical, degrees, shift) == pytest.approx(
        0.8, abs=1e-4
    )
    assert smallest_difference(0.1, degrees, comparisons=2) == pytest.approx(0.1 * shift)


def test_smallest_difference_of_many_degrees_is_the_normal_one_and_is_found():
    expected = stats.norm.ppf(0.975) + stats.norm.ppf(0.8)
    assert smallest_difference(1.0, 1e9) == pytest.approx(expected, abs=1e-3)
    assert smallest_difference(0.0, 5) == 0
    assert math.isnan(smallest_difference(math.nan, 5))
    random = np.random.default_rng(6)
    effect = smallest_difference(1 / math.sqrt(6), 5)
    found = stats.ttest_1samp(random.normal(effect, 1, (4000, 6)), 0, axis=1).pvalue < 0.05
    assert np.mean(found) == pytest.approx(0.8, abs=0.03)


def test_resampled_mean_against_a_loop():
    values = crossed(np.random.default_rng(7), seeds=3, subjects=4)
    values[1, 2] = np.nan
    values[2] = np.nan
    resamples = draw(3, 4, samples=50, seed=0)
    for seeds_S, subjects_J, result in zip(*resamples, resampled_mean(values, resamples), strict=True):
        means = []
        for s, times in enumerate(seeds_S):
            drawn = [values[s, j] for j in range(4) for _ in range(int(subjects_J[j])) if not np.isnan(values[s, j])]
            means += [np.mean(drawn)] * int(times) if drawn else []
        assert result == pytest.approx(np.mean(means), nan_ok=True) if means else np.isnan(result)


def test_resamples_vary_both_and_cover():
    """Intervals contain the truth about as often as they say, with both kinds of variation."""
    random = np.random.default_rng(8)
    covered = []
    for number in range(200):
        values = crossed(random, seeds=12, subjects=15)
        low, high = np.quantile(resampled_mean(values, draw(12, 15, samples=200, seed=number)), [0.025, 0.975])
        covered.append(low <= 0 <= high)
    assert 0.88 <= np.mean(covered) <= 0.99


def test_draws_of_one_seed_or_one_subject():
    assert draw(1, 1, samples=9, seed=0).seeds_RS.shape == (0, 1)
    one_seed = draw(1, 5, samples=9, seed=0)
    assert (one_seed.seeds_RS == 1).all()
    assert (one_seed.subjects_RJ.sum(1) == 5).all()
    assert mean_over_runs([[1.0, 3.0], [np.nan, 4.0]]) == 3.0
