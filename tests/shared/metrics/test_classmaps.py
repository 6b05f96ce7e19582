"""Pooled hard Dice of student and teacher while training, through MONAI's evaluator."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from monai.engines import SupervisedEvaluator
from monai.engines.utils import default_prepare_batch
from sklearn.metrics import f1_score

from shared.errors import ConfigError, DataError
from shared.metrics.classmaps import ClassMapTally, class_map_metrics
from shared.networks import StudentTeacher
from tests.support.scans import TinyUNet, scan_batches

FLUIDS = ["IRF", "SRF", "PED"]


def evaluate(batches: list[dict[str, Any]], *, decollate: bool, deploy: str = "teacher") -> tuple[Any, StudentTeacher]:
    torch.manual_seed(0)
    pair = StudentTeacher(student=TinyUNet(), teacher=TinyUNet())
    evaluator = SupervisedEvaluator(
        device="cpu",
        val_data_loader=batches,
        network=pair,
        key_val_metric=class_map_metrics(FLUIDS, deploy=deploy),
        decollate=decollate,
        prepare_batch=default_prepare_batch,
    )
    evaluator.run()
    return evaluator, pair


@pytest.mark.parametrize("decollate", [True, False])
@pytest.mark.parametrize("deploy", ["teacher", "student"])
def test_dice_is_scikit_learns_f1_over_all_pixels(decollate: bool, deploy: str) -> None:
    batches = scan_batches(3, labelled=2, unlabelled=0)
    evaluator, pair = evaluate(batches, decollate=decollate, deploy=deploy)
    metrics = evaluator.state.metrics
    truth = torch.cat([batch["label"].flatten() for batch in batches]).numpy()
    with torch.no_grad():
        outputs = [pair.eval()(batch["image"]) for batch in batches]
    for name in ("student", "teacher"):
        chosen = torch.cat([output[name].argmax(1).flatten() for output in outputs]).numpy()
        expected = f1_score(truth, chosen, labels=[1, 2, 3], average=None)
        assert [metrics[f"{name}_Dice_{fluid}"] for fluid in FLUIDS] == pytest.approx(list(expected))
        assert metrics[f"{name}_Dice_mean"] == pytest.approx(expected.mean())
    assert metrics["score"] == metrics["Dice_mean"] == metrics[f"{deploy}_Dice_mean"]
    assert [metrics[f"Dice_{fluid}"] for fluid in FLUIDS] == [metrics[f"{deploy}_Dice_{fluid}"] for fluid in FLUIDS]
    assert evaluator.state.key_metric_name == "score"
    assert all(isinstance(value, float) for value in metrics.values())


@pytest.mark.parametrize("decollate", [True, False])
def test_images_without_label_do_not_count(decollate: bool) -> None:
    with_more = scan_batches(2, labelled=2, unlabelled=3)
    labelled_only = [{key: value[:2] for key, value in batch.items()} for batch in with_more]
    first, _ = evaluate(with_more, decollate=decollate)
    second, _ = evaluate(labelled_only, decollate=decollate)
    assert first.state.metrics == second.state.metrics


def tally(chosen: list[int], truth: list[int], *, classes: int = 3) -> dict[str, float]:
    metric = ClassMapTally([f"f{k + 1}" for k in range(classes)], deploy="student", networks=["student"])
    scores = torch.nn.functional.one_hot(torch.tensor(chosen), classes + 1).T.float()[:, None]
    metric.update(({"pred": {"student": scores}, "label": torch.tensor(truth)[None, None]}, {}))
    return metric.compute()


def test_absent_classes_by_hand() -> None:
    """f1: 2 x 1 hit / (2 + 1); f2: a false alarm; f3: absent from both, so undefined and left out."""
    found = tally([1, 0, 2, 0], [1, 1, 0, 0])
    assert found["Dice_f1"] == pytest.approx(2 / 3)
    assert found["Dice_f2"] == 0
    assert math.isnan(found["Dice_f3"])
    assert found["score"] == found["Dice_mean"] == pytest.approx(1 / 3)


def test_two_classes() -> None:
    assert tally([1, 1, 0, 0], [1, 0, 0, 1], classes=1)["score"] == pytest.approx(0.5)


def test_nothing_to_find_and_nothing_found_is_undefined() -> None:
    assert math.isnan(tally([0, 0], [0, 0])["score"])


def test_names_are_those_that_are_computed() -> None:
    metric = ClassMapTally(FLUIDS)
    assert metric.names()[0] == "score"
    assert set(metric.names()) == {"score"} | {
        f"{network}Dice_{name}" for network in ("", "student_", "teacher_") for name in [*FLUIDS, "mean"]
    }


def test_no_label_at_all_is_an_error() -> None:
    with pytest.raises(DataError, match="no validation image has a label"):
        ClassMapTally(FLUIDS).compute()


def test_settings_that_do_not_agree() -> None:
    with pytest.raises(ConfigError, match="deploy is 'peer'"):
        ClassMapTally(FLUIDS, deploy="peer")
    metric = ClassMapTally(["fluid"])
    with pytest.raises(ConfigError, match=r"gives 4 classes[\s\S]*2: background, fluid"):
        metric.update(({"pred": {"student": torch.rand(4, 2, 2)}, "label": torch.zeros(1, 2, 2)}, {}))
