import numpy as np
import pytest
import torch
from monai.metrics import DiceMetric, MeanIoU
from sklearn.metrics import f1_score, jaccard_score, precision_score, recall_score

from shared.metrics.overlap import Overlap, count_overlap, dice, iou, precision, sensitivity


@pytest.mark.parametrize("seed", range(3))
def test_against_scikit_learn_and_monai(seed):
    generator = np.random.default_rng(seed)
    predicted, truth = generator.random((2, 17, 23)) < 0.3
    overlap = count_overlap(predicted, truth)
    flat = truth.ravel(), predicted.ravel()
    assert dice(overlap) == pytest.approx(f1_score(*flat))
    assert iou(overlap) == pytest.approx(jaccard_score(*flat))
    assert sensitivity(overlap) == pytest.approx(recall_score(*flat))
    assert precision(overlap) == pytest.approx(precision_score(*flat))
    tensors = [torch.from_numpy(mask.astype(np.float32))[None, None] for mask in (predicted, truth)]
    assert dice(overlap) == pytest.approx(DiceMetric()(*tensors).item())
    assert iou(overlap) == pytest.approx(MeanIoU()(*tensors).item())


def test_empty_truth():
    nothing, something = np.zeros(4), np.array([0, 0, 1, 0])
    assert dice(count_overlap(nothing, nothing)) == iou(count_overlap(nothing, nothing)) == 1
    assert dice(count_overlap(something, nothing)) == iou(count_overlap(something, nothing)) == 0
    assert np.isnan(sensitivity(count_overlap(something, nothing)))
    assert np.isnan(precision(count_overlap(nothing, something)))


def test_an_empty_truth_counts_in_the_pool_with_its_false_alarms():
    pooled = Overlap(*(np.asarray(part) for part in (8 + 0, 2 + 0, 1 + 5)))
    assert dice(pooled) == pytest.approx(16 / (16 + 2 + 6))


def test_leading_axes():
    overlap = Overlap(*(np.asarray(part, float) for part in ([3, 0], [1, 0], [0, 0])))
    assert dice(overlap).tolist() == pytest.approx([6 / 7, 1.0])
