import numpy as np
import pytest
from sklearn.metrics import auc, average_precision_score

from shared.metrics.histogram import (
    ScoreHistogram,
    aupr,
    average_precision,
    best_threshold,
    merge_levels,
    precision_recall,
    score_histogram,
)
from shared.metrics.overlap import dice, overlap_at


def rounded(scores, bins=65536):
    return np.ceil(np.asarray(scores, np.float32) * np.float32(bins - 1) - np.float32(0.5)).astype(float) / (bins - 1)


def drawn(seed, size=4000, prevalence=0.05, levels=None):
    generator = np.random.default_rng(seed)
    truth = generator.random(size) < prevalence
    scores = generator.normal(0.25 + 0.25 * truth, 0.15).clip(0, 1).astype(np.float32)
    return (scores if levels is None else (scores * levels).round() / np.float32(levels)), truth


def literature_aupr(scores, truth, thresholds):
    """M2MRF's loop, written out: strict threshold, precision 1 where nothing is predicted, sklearn's trapezoids."""
    precisions, recalls = [], []
    for threshold in np.linspace(0, 1, thresholds):
        predicted = scores > threshold
        hits = (predicted & truth).sum()
        precisions.append(hits / predicted.sum() if predicted.sum() else 1.0)
        recalls.append(hits / truth.sum())
    return auc(recalls, precisions)


@pytest.mark.parametrize("levels", [None, 7, 255])
@pytest.mark.parametrize("seed", range(4))
def test_average_precision_is_scikit_learns_on_the_rounded_scores(seed, levels):
    scores, truth = drawn(seed, levels=levels)
    expected = average_precision_score(truth, rounded(scores))
    assert average_precision(score_histogram(scores, truth)) == pytest.approx(expected, abs=1e-12)
    assert expected == pytest.approx(average_precision_score(truth, scores), abs=2e-3)


def test_pooling_adds_photographs():
    parts = [drawn(seed, size=500 + seed) for seed in range(3)]
    stacked = ScoreHistogram(
        *(np.stack(part) for part in zip(*(score_histogram(*item) for item in parts), strict=True))
    )
    scores, truth = (np.concatenate(part) for part in zip(*parts, strict=True))
    assert average_precision(stacked.pooled()) == pytest.approx(
        average_precision_score(truth, rounded(scores)), abs=1e-12
    )
    one_by_one = average_precision(stacked)
    for value, (scores, truth) in zip(one_by_one, parts, strict=True):
        assert value == pytest.approx(average_precision_score(truth, rounded(scores)), abs=1e-12)


def test_levels_round_half_down_and_counts_are_complete():
    histogram = score_histogram([0.0, 0.125, 0.1251, 0.5, 1.0], [0, 1, 0, 1, 1], bins=5)
    assert histogram.positive.tolist() == [1, 0, 1, 0, 1]
    assert histogram.negative.tolist() == [1, 1, 0, 0, 0]


def test_a_score_of_exactly_one_half_is_not_above_one_half():
    overlap = overlap_at(score_histogram([0.5, np.nextafter(np.float32(0.5), 1) + 1e-4], [1, 1]), 0.5)
    assert (overlap.hit, overlap.miss) == (1, 1)


@pytest.mark.parametrize("thresholds", [11, 33])
@pytest.mark.parametrize("seed", range(3))
def test_aupr_is_the_literatures_loop(seed, thresholds):
    scores, truth = drawn(seed)
    scores = scores.clip(1e-4, 1)  # as after a sigmoid: never 0
    assert aupr(score_histogram(scores, truth), thresholds) == pytest.approx(
        literature_aupr(rounded(scores), truth, thresholds), abs=1e-12
    )


def test_threshold_zero_predicts_everything_and_threshold_one_nothing():
    points = precision_recall(score_histogram([0, 0, 0.4, 1.0], [1, 0, 0, 1]), [0.0, 0.5, 1.0])
    assert points.recall.tolist() == [1.0, 0.5, 0.0]
    assert points.precision.tolist() == [0.5, 1.0, 1.0]


def test_few_thresholds_overestimate_where_the_curve_is_convex():
    generator = np.random.default_rng(0)
    truth = generator.random(20000) < 0.01
    scores = np.where(truth, generator.random(20000) ** 2, 0.2 * generator.random(20000) ** 4).astype(np.float32)
    histogram = score_histogram(scores, truth)
    assert aupr(histogram, 11) > aupr(histogram, 33) - 1e-3
    assert abs(aupr(histogram, 2001) - average_precision(histogram)) < 5e-3


def test_an_empty_truth_is_undefined_not_zero():
    histogram = score_histogram([0.1, 0.9], [0, 0])
    assert np.isnan(average_precision(histogram))
    assert np.isnan(aupr(histogram))
    assert best_threshold(histogram) == 0.5
    assert best_threshold(histogram, default=0.3) == 0.3


@pytest.mark.parametrize("seed", range(4))
def test_best_threshold_is_the_best_of_all_on_unrounded_scores(seed):
    scores, truth = drawn(seed, size=600, prevalence=0.2)
    threshold = best_threshold(score_histogram(scores, truth))

    def pooled_dice(limit):
        predicted = scores > limit
        return 2 * (predicted & truth).sum() / (predicted.sum() + truth.sum())

    best = max(pooled_dice(limit) for limit in np.concatenate([[-1], scores]))
    assert pooled_dice(threshold) == pytest.approx(best, abs=1e-12)
    assert dice(overlap_at(score_histogram(scores, truth), threshold)) == pytest.approx(best, abs=1e-12)


def test_overlap_at_a_threshold_counts_the_mask_that_is_written():
    scores, truth = drawn(5)
    threshold = best_threshold(score_histogram(scores, truth))
    overlap = overlap_at(score_histogram(scores, truth), threshold)
    assert overlap.hit == ((scores > threshold) & truth).sum()
    assert overlap.false_alarm == ((scores > threshold) & ~truth).sum()
    assert overlap.miss == ((scores <= threshold) & truth).sum()


def test_merging_levels_keeps_average_precision_of_every_resample():
    histograms = [score_histogram(*drawn(seed, size=700)) for seed in range(4)]
    stacked = ScoreHistogram(*(np.stack(part) for part in zip(*histograms, strict=True)))
    merged, joined = merge_levels(stacked), merge_levels(stacked, most=50)
    assert merged.positive.shape[1] < 65536
    assert 40 <= joined.positive.shape[1] <= 50
    for weights in ([1, 1, 1, 1], [2, 0, 1, 1], [0, 0, 4, 0], [1, 3, 0, 0]):
        full, short, rough = (
            float(average_precision(ScoreHistogram(*(np.tensordot(weights, part, 1) for part in each))))
            for each in (stacked, merged, joined)
        )
        assert short == pytest.approx(full, abs=1e-12)
        assert rough == pytest.approx(full, abs=1 / 50)
    assert joined.positive.sum() == stacked.positive.sum()


@pytest.mark.parametrize("scores", [[0.5, 1.5], [-0.1, 0.5], [0.5, np.nan]])
def test_scores_that_are_no_probabilities_are_refused(scores):
    with pytest.raises(ValueError, match="probabilities"):
        score_histogram(scores, [0, 1])


def test_shapes_must_agree():
    with pytest.raises(ValueError, match="shape"):
        score_histogram(np.zeros((2, 3)), np.zeros((3, 2)))


def test_a_task_that_was_not_learned_keeps_the_default_threshold() -> None:
    truth = np.zeros((50, 50), bool)
    truth[0, :3] = True
    scores = np.random.default_rng(0).random((50, 50))
    histogram = score_histogram(scores, truth)
    assert best_threshold(histogram, least=0.05) == 0.5
    assert best_threshold(histogram) != 0.5
    assert best_threshold(score_histogram(truth * 0.9, truth), least=0.05) != 0.5
