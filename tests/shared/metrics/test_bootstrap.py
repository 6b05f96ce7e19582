import numpy as np
import pytest
from scipy.stats import bootstrap

from shared.metrics.bootstrap import interval, mean_of_defined, resample, resampled_average_precision, resampled_sum
from shared.metrics.histogram import ScoreHistogram, average_precision, score_histogram


def test_every_resample_draws_as_many_photographs_and_the_seed_decides():
    weights = resample(13, samples=500, seed=1)
    assert (weights.sum(1) == 13).all()
    np.testing.assert_array_equal(weights, resample(13, samples=500, seed=1))
    assert (weights != resample(13, samples=500, seed=2)).any()
    np.testing.assert_allclose(weights.mean(0), 1, atol=0.2)


def test_a_single_photograph_has_no_interval():
    assert resample(1, samples=10, seed=0).shape == (0, 1)
    assert np.isnan(interval(resampled_sum(resample(1, samples=10, seed=0), np.ones(1)))).all()


def test_interval_of_a_mean_is_scipys():
    values = np.random.default_rng(0).normal(size=40)
    weights = resample(40, samples=20000, seed=0)
    expected = bootstrap((values,), np.mean, method="percentile", n_resamples=20000, rng=0).confidence_interval
    assert interval(weights @ values / 40) == pytest.approx((expected.low, expected.high), abs=0.02)


def test_undefined_resamples_are_left_out():
    assert interval([np.nan, 0.0, 1.0, 0.5]) == pytest.approx((0.025, 0.975))
    assert np.isnan(interval([np.nan])).all()
    np.testing.assert_array_equal(mean_of_defined([[np.nan, 1, np.nan], [3, 2, np.nan]]), [3, 1.5, np.nan])


def test_average_precision_is_pooled_again_in_every_resample():
    generator = np.random.default_rng(0)
    photographs = []
    for index in range(5):
        truth = generator.random(300) < 0.02 * (index + 1)
        photographs.append((generator.normal(0.3 + 0.3 * truth, 0.2).clip(0, 1), truth))
    histograms = ScoreHistogram(
        *(np.stack(part) for part in zip(*(score_histogram(*p) for p in photographs), strict=True))
    )
    weights = resample(5, samples=7, seed=3)
    for weight, value in zip(weights, resampled_average_precision(weights, histograms), strict=True):
        rows = np.repeat(np.arange(5), weight.astype(int))
        scores, truth = (np.concatenate([photographs[row][part] for row in rows]) for part in (0, 1))
        assert value == pytest.approx(float(average_precision(score_histogram(scores, truth))), abs=1e-12)
