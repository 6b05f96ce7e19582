"""Measures of one photograph against scikit-learn and by hand."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from sklearn.metrics import accuracy_score, f1_score, jaccard_score, recall_score

from shared.errors import ConfigError
from shared.metrics.photograph import measure_names, photograph_measures

CLASSES = ["disc", "cup"]


def test_measures_are_those_of_scikit_learn() -> None:
    generator = torch.Generator().manual_seed(0)
    scores_KHW = torch.randn(3, 9, 14, generator=generator).softmax(0)
    label_HW = torch.randint(0, 3, (9, 14), generator=generator)
    found = photograph_measures(scores_KHW, label_HW.to(torch.uint8), classes=CLASSES)
    truth, chosen = label_HW.flatten().numpy(), scores_KHW.argmax(0).flatten().numpy()
    assert list(found) == measure_names(CLASSES)
    assert found["accuracy_all"] == pytest.approx(accuracy_score(truth, chosen))
    for k, name in enumerate(["background", *CLASSES]):
        assert found[f"accuracy_{name}"] == pytest.approx(recall_score(truth == k, chosen == k))
        own = scores_KHW[k].flatten().numpy()[truth == k]
        assert found[f"confidence_{name}"] == pytest.approx(float(np.mean(own)), rel=1e-6)
        if k:
            assert found[f"dice_{name}"] == pytest.approx(f1_score(truth == k, chosen == k))
            assert found[f"iou_{name}"] == pytest.approx(jaccard_score(truth == k, chosen == k))


def test_by_hand_and_accuracy_is_no_ratio_of_areas() -> None:
    """As many pixels as the disc has, in another place: a ratio of areas would be 1."""
    label_HW = torch.tensor([[1, 1, 0, 0]])
    scores_KHW = torch.tensor([[[0.9, 0.2, 0.3, 1.0]], [[0.1, 0.8, 0.7, 0.0]]])
    assert photograph_measures(scores_KHW, label_HW, classes=["disc"]) == {
        "accuracy_all": 0.5,
        "accuracy_background": 0.5,
        "accuracy_disc": 0.5,
        "iou_disc": pytest.approx(1 / 3),
        "dice_disc": 0.5,
        "confidence_background": pytest.approx(0.65),
        "confidence_disc": pytest.approx(0.45),
    }


def test_a_class_that_is_not_there() -> None:
    empty = torch.zeros(1, 2)
    found = photograph_measures(torch.tensor([[[0.9, 0.6]], [[0.1, 0.4]]]), empty, classes=["disc"])
    assert found["accuracy_all"] == 1
    assert all(math.isnan(found[f"{kind}_disc"]) for kind in ("accuracy", "iou", "dice", "confidence"))
    alarm = photograph_measures(torch.tensor([[[0.9, 0.4]], [[0.1, 0.6]]]), empty, classes=["disc"])
    assert (alarm["iou_disc"], alarm["dice_disc"]) == (0, 0)
    assert math.isnan(alarm["accuracy_disc"])


@pytest.mark.parametrize(("shape", "classes"), [((3, 4, 5), ["disc"]), ((2, 4, 4), ["disc"])])
def test_maps_that_do_not_fit(shape: tuple[int, ...], classes: list[str]) -> None:
    with pytest.raises(ConfigError, match=r"class maps \[\d, 4, \d\], a label \[4, 5\]"):
        photograph_measures(torch.zeros(shape), torch.zeros(4, 5), classes=classes)
