import numpy as np
import pytest
from sklearn.metrics import brier_score_loss, log_loss

from shared.metrics.bootstrap import resample
from shared.metrics.calibration import (
    BINS,
    brier_N,
    class_reliability,
    expected_calibration_error,
    negative_log_likelihood_N,
    pixel_reliability,
    pixel_scores,
)
from shared.metrics.histogram import ScoreHistogram, score_histogram


def answers(seed=0, count=80, classes=4):
    generator = np.random.default_rng(seed)
    truth = generator.integers(classes, size=count)
    logits = 2 * generator.normal(size=(count, classes)) + 1.5 * np.eye(classes)[truth]
    return np.exp(logits) / np.exp(logits).sum(1, keepdims=True), truth


def error_by_loop(confidence, right, bins=BINS):
    """Bin by bin, sample by sample."""
    total = 0.0
    for number in range(bins):
        low, high = number / bins, (number + 1) / bins
        members = [i for i, c in enumerate(confidence) if low < c <= high or (number == 0 and c == 0)]
        if members:
            gap = abs(np.mean([right[i] for i in members]) - np.mean([confidence[i] for i in members]))
            total += len(members) / len(confidence) * gap
    return total


@pytest.mark.parametrize("seed", range(3))
def test_classes_against_a_loop_and_scikit_learn(seed):
    probabilities, truth = answers(seed)
    error = expected_calibration_error(class_reliability(probabilities, truth).pooled())
    assert error == pytest.approx(error_by_loop(probabilities.max(1), probabilities.argmax(1) == truth))
    likelihood = negative_log_likelihood_N(probabilities, truth).mean()
    assert likelihood == pytest.approx(log_loss(truth, probabilities, labels=range(4)))
    by_class = [brier_score_loss(truth == grade, probabilities[:, grade]) for grade in range(4)]
    assert brier_N(probabilities, truth).mean() == pytest.approx(sum(by_class))


def test_resamples_are_the_repeated_samples():
    probabilities, truth = answers(5, count=30)
    weights = resample(30, samples=5, seed=1)
    errors = expected_calibration_error(class_reliability(probabilities, truth).pooled(weights))
    for weight, error in zip(weights, errors, strict=True):
        rows = np.repeat(np.arange(30), weight.astype(int))
        again = class_reliability(probabilities[rows], truth[rows]).pooled()
        assert error == pytest.approx(float(expected_calibration_error(again)))


def test_what_is_as_often_right_as_it_says_has_no_error():
    probabilities = np.array([[0.75, 0.25]] * 4)
    assert expected_calibration_error(class_reliability(probabilities, [0, 0, 0, 1]).pooled()) == pytest.approx(0)
    assert expected_calibration_error(class_reliability(probabilities, [1, 1, 1, 1]).pooled()) == pytest.approx(0.75)
    assert np.isnan(expected_calibration_error(class_reliability(np.zeros((0, 2)), []).pooled()))


def test_certain_and_wrong_costs_much_but_not_infinity():
    assert negative_log_likelihood_N([[1.0, 0.0]], [1]) == pytest.approx(-np.log(1e-12))
    assert brier_N([[1.0, 0.0]], [1]) == pytest.approx(2)


def test_pixels_against_a_loop_and_scikit_learn():
    generator = np.random.default_rng(3)
    levels = 257
    scores = generator.integers(levels, size=(3, 20, 30)) / (levels - 1)
    truth = generator.random(scores.shape) < scores**1.5
    each = [score_histogram(score, mask, bins=levels) for score, mask in zip(scores, truth, strict=True)]
    histogram = ScoreHistogram(*(np.stack(parts) for parts in zip(*each, strict=True)))
    error = expected_calibration_error(pixel_reliability(histogram).pooled())
    assert error == pytest.approx(error_by_loop(scores.ravel(), truth.ravel()))
    number, brier, likelihood = pixel_scores(histogram)
    assert number.tolist() == [600] * 3
    for index in range(3):
        assert brier[index] / 600 == pytest.approx(brier_score_loss(truth[index].ravel(), scores[index].ravel()))
        inner = np.clip(scores[index].ravel(), 0.5 / 256, 1 - 0.5 / 256)
        assert likelihood[index] / 600 == pytest.approx(log_loss(truth[index].ravel(), inner))
