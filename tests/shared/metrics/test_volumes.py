import numpy as np
import pytest
from sklearn.metrics import confusion_matrix, f1_score, jaccard_score, roc_auc_score

from shared.metrics import volumes
from shared.metrics.bootstrap import resample


def pictures(count=6, num_classes=4, seed=0):
    generator = np.random.default_rng(seed)
    truth = generator.choice(num_classes, p=[0.7, 0.1, 0.1, 0.1], size=(count, 3, 8, 9))
    wrong = generator.choice(num_classes, size=truth.shape)
    return truth, np.where(generator.random(truth.shape) < 0.3, wrong, truth)


def counts_of(truth, predicted, fluid, score=None):
    confusion = np.stack([volumes.count_classes(*pair, num_classes=4) for pair in zip(truth, predicted, strict=True)])
    return volumes.measured(confusion, np.zeros((len(truth), 3)) if score is None else score, fluid)


def test_counts_are_scikit_learns():
    truth, predicted = pictures()
    counted = volumes.count_classes(truth[0], predicted[0], num_classes=4)
    np.testing.assert_array_equal(counted, confusion_matrix(truth[0].ravel(), predicted[0].ravel(), labels=range(4)))
    total = sum(volumes.count_classes(*pair, num_classes=4) for pair in zip(truth[0], predicted[0], strict=True))
    np.testing.assert_array_equal(counted, total)


@pytest.mark.parametrize("fluid", [1, 2, 3])
def test_dice_and_iou_per_volume_and_pooled_are_scikit_learns(fluid):
    truth, predicted = pictures()
    counts = counts_of(truth, predicted, fluid)
    each = [((a == fluid).ravel(), (b == fluid).ravel()) for a, b in zip(truth, predicted, strict=True)]
    np.testing.assert_allclose(volumes.dice(counts), [f1_score(*pair) for pair in each])
    np.testing.assert_allclose(volumes.iou(counts), [jaccard_score(*pair) for pair in each])
    pooled = f1_score((truth == fluid).ravel(), (predicted == fluid).ravel())
    assert volumes.dice_pooled(counts) == pytest.approx(pooled)


def test_what_an_absent_fluid_counts():
    """Absent in both: undefined and left out. A false alarm, or a miss of all: 0."""
    nothing, some = np.zeros((2, 2), int), np.array([[1, 0], [0, 0]])
    counts = counts_of([nothing, nothing, some, some], [nothing, some, nothing, some], 1)
    np.testing.assert_array_equal(volumes.dice(counts), [np.nan, 0, 0, 1])
    np.testing.assert_array_equal(volumes.iou(counts), [np.nan, 0, 0, 1])
    assert volumes.mean_over(volumes.dice(counts)) == pytest.approx(1 / 3)
    assert volumes.dice_pooled(counts) == pytest.approx(2 / 4)
    np.testing.assert_array_equal(volumes.volume_difference(counts, [0.5] * 4), [0, 0.5, 0.5, 0])
    absent = counts_of([nothing], [nothing], 1)
    assert np.isnan(volumes.dice_pooled(absent))
    assert np.isnan(volumes.mean_over(volumes.dice(absent)))


def test_detection_is_scikit_learns_area():
    truth, predicted = pictures(8)
    truth[[0, 3, 4]] = 0
    score = np.random.default_rng(1).integers(0, 5, size=(8, 3)) / 5  # with ties
    for fluid in (1, 2, 3):
        counts = counts_of(truth, predicted, fluid, score)
        has = (truth == fluid).any((1, 2, 3))
        assert volumes.detection_auc(counts) == pytest.approx(roc_auc_score(has, score[:, fluid - 1]))
    truth[:] = 1
    assert np.isnan(volumes.detection_auc(counts_of(truth, predicted, 1, score)))
    assert np.isnan(volumes.detection_auc(counts_of(truth, predicted, 2, score)))


def test_resamples_are_those_of_a_plain_loop():
    truth, predicted = pictures(7)
    truth[2], predicted[2] = 0, 0
    truth[5] = 0
    score = np.random.default_rng(1).random((7, 3))
    counts = counts_of(truth, predicted, 2, score)
    weights = resample(7, samples=50, seed=3)
    together = (
        volumes.mean_over(volumes.dice(counts), weights),
        volumes.dice_pooled(counts, weights),
        volumes.detection_auc(counts, weights),
    )
    for row, weight in enumerate(weights.astype(int)):
        chosen = np.repeat(np.arange(7), weight)
        own = counts_of(truth[chosen], predicted[chosen], 2, score[chosen])
        alone = (volumes.mean_over(volumes.dice(own)), volumes.dice_pooled(own), volumes.detection_auc(own))
        np.testing.assert_allclose([values[row] for values in together], [float(value) for value in alone])


@pytest.mark.parametrize(
    ("truth", "predicted", "message"),
    [([4], [0], "truth has classes 4..4"), ([0], [-1], "prediction has classes -1"), ([0, 1], [0], "differ in shape")],
)
def test_wrong_arrays(truth, predicted, message):
    with pytest.raises(ValueError, match=message):
        volumes.count_classes(truth, predicted, num_classes=4)
