"""Figures of an epoch against plain computations."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import torch
from ignite.engine import Engine
from sklearn.metrics import f1_score, jaccard_score

from shared.errors import DataError
from tests.support.errors import fails_with

pytestmark = pytest.mark.usefixtures("pets_scripts")

TASKS = [
    {"name": "pet", "kind": "mask"},
    {"name": "species", "kind": "grade", "num_classes": 2},
    {"name": "box", "kind": "box"},
]
SIZE = (40, 80)


def image(seed: int, *, labelled: tuple[bool, bool, bool], ignored: int = 0) -> tuple[dict[str, Any], dict[str, Any]]:
    """An output and its item; boxes overlap by what is drawn; the first ``ignored`` rows do not count."""
    random = torch.Generator().manual_seed(seed)
    scores, masks = torch.rand(1, 6, 8, generator=random), torch.rand(1, 6, 8, generator=random) > 0.5
    counted = torch.ones(1, 6, 8, dtype=torch.uint8)
    counted[:, :ignored] = 0
    low, high = torch.rand(2, 2, generator=random) * 0.4, torch.rand(2, 2, generator=random) * 0.5 + 0.5
    box, found = torch.cat([low[0], high[0]]), torch.cat([low[1], high[1]])
    pixels = torch.tensor([SIZE[1], SIZE[0]] * 2)
    output = {"pred": scores, "species": torch.rand(2, generator=random), "pred_box": found * pixels}
    item = {
        "masks": masks.to(torch.uint8),
        "counted": counted,
        "grades": torch.randint(0, 2, (1,), generator=random),
        "labelled": torch.tensor(labelled),
        "box": box,
        "has_box": torch.tensor(labelled[2]),
        "photo_size": torch.tensor(SIZE),
    }
    return output, item


def plain_iou(first: list[float], second: list[float]) -> float:
    """Counted on a grid of a tenth of a pixel."""
    x, y = np.meshgrid(np.arange(SIZE[1] * 10) / 10 + 0.05, np.arange(SIZE[0] * 10) / 10 + 0.05)
    inside = [(x > left) & (x < right) & (y > top) & (y < bottom) for left, top, right, bottom in (first, second)]
    return float((inside[0] & inside[1]).sum() / (inside[0] | inside[1]).sum())


def test_figures_are_means_over_the_labelled_images() -> None:
    from scripts.tally import PetTally

    images = [
        image(1, labelled=(True, True, True), ignored=2),
        image(2, labelled=(False, True, True)),
        image(3, labelled=(True, False, False)),
        image(4, labelled=(True, True, True)),
    ]
    tally = PetTally(TASKS)
    for pair in images:
        tally.update(pair)
    figures = tally.compute()
    pairs = [
        (item["masks"][item["counted"] > 0].numpy(), output["pred"][item["counted"] > 0].numpy() > 0.5)
        for output, item in (images[place] for place in (0, 2, 3))
    ]
    assert figures["Dice_pet"] == pytest.approx(np.mean([f1_score(*pair) for pair in pairs]))
    assert figures["IoU_pet"] == pytest.approx(np.mean([jaccard_score(*pair) for pair in pairs]))
    known = [images[place] for place in (0, 1, 3)]
    right = [int(output["species"].argmax()) == int(item["grades"]) for output, item in known]
    assert figures["accuracy_species"] == pytest.approx(np.mean(right))
    scale = torch.tensor([SIZE[1], SIZE[0]] * 2)
    ious = [plain_iou(output["pred_box"].tolist(), (item["box"] * scale).tolist()) for output, item in known]
    assert figures["box_IoU"] == pytest.approx(np.mean(ious), abs=0.01)
    assert figures["box_IoU_above_50"] == pytest.approx(np.mean([iou >= 0.5 for iou in ious]))
    assert 0 < figures["box_IoU_above_50"] < 1
    expected = (figures["Dice_pet"] + figures["accuracy_species"] + figures["box_IoU"]) / 3
    assert figures["score"] == pytest.approx(expected)


def test_a_task_without_a_label_is_left_out_of_the_score() -> None:
    from scripts.tally import PetTally

    tally = PetTally(TASKS)
    tally.update(image(1, labelled=(True, False, False)))
    figures = tally.compute()
    assert math.isnan(figures["accuracy_species"])
    assert math.isnan(figures["box_IoU"])
    assert figures["score"] == figures["Dice_pet"]


def test_a_perfect_and_a_false_answer() -> None:
    from scripts.tally import PetTally

    output, item = image(1, labelled=(True, True, True))
    scale = torch.tensor([SIZE[1], SIZE[0]] * 2)
    item["grades"] = output["species"].argmax()[None]
    tally = PetTally(TASKS)
    tally.update((output | {"pred": item["masks"].float(), "pred_box": item["box"] * scale}, item))
    assert set(tally.compute().values()) == {1.0}
    tally.reset()
    far = torch.tensor([79.0, 39.0, 80.0, 40.0])
    wrong = {"pred": 1 - item["masks"].float(), "species": -output["species"], "pred_box": far}
    tally.update((wrong, item))
    assert set(tally.compute().values()) == {0.0}


def test_metrics_by_name_score_first_and_no_label_at_all_is_an_error() -> None:
    from scripts.tally import validation_metrics

    metrics = validation_metrics(TASKS[1:])
    assert list(metrics) == ["score", "accuracy_species", "box_IoU", "box_IoU_above_50"]

    def step(engine: Any, pair: tuple[dict[str, Any], dict[str, Any]]) -> list[dict[str, Any]]:
        engine.state.batch = [pair[1]]
        return [pair[0]]

    engine = Engine(step)
    for name, metric in metrics.items():
        metric.attach(engine, name)
    state = engine.run([image(1, labelled=(True, True, True)), image(2, labelled=(True, False, True))])
    assert set(state.metrics) >= set(metrics)
    with fails_with(DataError, "no validation image has a label"):
        engine.run([image(1, labelled=(False, False, False))])
