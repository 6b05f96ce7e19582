import numpy as np
import pytest
from sklearn import metrics as reference

from shared.metrics.bootstrap import resample
from shared.metrics.grading import (
    accuracy,
    auroc,
    balanced_accuracy,
    confusion_matrix,
    joint_correct,
    macro_f1,
    quadratic_kappa,
    resampled_auroc,
)


def graded(seed, count=60, classes=5):
    generator = np.random.default_rng(seed)
    truth = generator.integers(classes, size=count)
    logits = generator.normal(size=(count, classes)) + 1.2 * np.eye(classes)[truth]
    return np.exp(logits) / np.exp(logits).sum(1, keepdims=True), truth


@pytest.mark.parametrize("seed", range(4))
def test_against_scikit_learn(seed):
    probabilities, truth = graded(seed)
    predicted = probabilities.argmax(1)
    confusion = confusion_matrix(truth, predicted, 5)
    np.testing.assert_array_equal(confusion, reference.confusion_matrix(truth, predicted, labels=range(5)))
    assert accuracy(confusion) == pytest.approx(reference.accuracy_score(truth, predicted))
    assert quadratic_kappa(confusion) == pytest.approx(
        reference.cohen_kappa_score(truth, predicted, weights="quadratic", labels=range(5))
    )
    assert auroc(probabilities, truth) == pytest.approx(
        reference.roc_auc_score(truth, probabilities, multi_class="ovr", average="macro")
    )


@pytest.mark.parametrize("seed", range(4))
def test_macro_measures_against_scikit_learn(seed):
    probabilities, truth = graded(seed, count=25)
    truth[truth == 1] = 0
    predicted = probabilities.argmax(1)
    predicted[predicted == 4] = 3
    confusion = confusion_matrix(truth, predicted, 5)
    assert balanced_accuracy(confusion) == pytest.approx(
        reference.recall_score(truth, predicted, average=None, labels=np.unique(truth)).mean()
    )
    assert macro_f1(confusion) == pytest.approx(reference.f1_score(truth, predicted, average="macro"))
    assert balanced_accuracy(np.stack([confusion] * 2)).shape == (2,)
    assert np.isnan(balanced_accuracy(np.zeros((3, 3))))


def test_auroc_with_equal_scores():
    probabilities, truth = graded(1)
    probabilities = (probabilities * 4).round() / 4
    expected = np.mean([reference.roc_auc_score(truth == grade, probabilities[:, grade]) for grade in range(5)])
    assert auroc(probabilities, truth) == pytest.approx(expected)
    assert resampled_auroc(probabilities, truth, np.ones((1, 60)))[0] == pytest.approx(expected)


def test_auroc_leaves_out_grades_that_no_photograph_has():
    probabilities, truth = graded(2, classes=3)
    truth[truth == 1] = 0
    expected = np.mean([reference.roc_auc_score(truth == grade, probabilities[:, grade]) for grade in (0, 2)])
    assert auroc(probabilities, truth) == pytest.approx(expected)
    assert np.isnan(auroc(probabilities, np.zeros(60, int)))
    assert np.isnan(auroc(np.zeros((0, 3)), np.zeros(0, int)))


def test_resampled_auroc_is_auroc_of_the_repeated_photographs():
    probabilities, truth = graded(3, count=25, classes=3)
    weights = resample(25, samples=6, seed=0)
    for weight, value in zip(weights, resampled_auroc(probabilities, truth, weights), strict=True):
        rows = np.repeat(np.arange(25), weight.astype(int))
        assert value == pytest.approx(auroc(probabilities[rows], truth[rows]))


def test_kappa_corners():
    assert quadratic_kappa([[4, 0], [0, 6]]) == 1
    assert quadratic_kappa([[0, 4], [6, 0]]) < 0
    assert quadratic_kappa([[5, 0], [5, 0]]) == 0
    assert np.isnan(quadratic_kappa([[5, 0], [0, 0]]))
    assert np.isnan(accuracy(np.zeros((3, 3))))


def test_joint():
    assert joint_correct([[0, 1], [2, 1], [3, 0]], [[0, 1], [2, 0], [1, 1]]).tolist() == [True, False, False]
