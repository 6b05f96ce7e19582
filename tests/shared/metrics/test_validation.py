import numpy as np
import pytest
import torch
from monai.data import DataLoader
from monai.engines import SupervisedEvaluator
from monai.engines.utils import IterationEvents
from monai.transforms import Compose, MapTransform
from sklearn.metrics import accuracy_score, cohen_kappa_score, f1_score

from shared.errors import DataError
from shared.metrics.validation import TaskTally, validation_metrics

GRADES = [{"name": "RG", "kind": "grade", "num_classes": 5}, {"name": "MER", "kind": "grade", "num_classes": 3}]
MASKS = [{"name": "MA", "kind": "mask"}, {"name": "OD", "kind": "mask"}]


class Known(torch.nn.Module):
    """Gives back what the photograph carries: the prediction lies in the image."""

    def forward(self, image):
        return {"pred": image[:, :2], "RG": image[:, 2, 0, :5], "MER": image[:, 2, 1, :3]}


class Keep(MapTransform):
    def __call__(self, data):
        return dict(data)


def samples(seed, count=7):
    generator = torch.Generator().manual_seed(seed)
    return [
        {
            "image": torch.rand(3, 8, 8, generator=generator),
            "masks": (torch.rand(2, 8, 8, generator=generator) < 0.3).to(torch.uint8),
            "grades": torch.stack(
                [torch.randint(5, (1,), generator=generator)[0], torch.randint(3, (1,), generator=generator)[0]]
            ),
            "labelled": torch.tensor([index % 2 == 0, True, index != 3, index != 3]),
        }
        for index in range(count)
    ]


def prepare(batch, device, non_blocking=False, **kwargs):
    return batch["image"].to(device), batch["masks"]


def evaluate(items, metrics, epochs=1):
    def step(engine, batch):
        engine.state.output = dict(engine.network(batch["image"]))
        engine.fire_event(IterationEvents.FORWARD_COMPLETED)
        engine.fire_event(IterationEvents.MODEL_COMPLETED)
        return engine.state.output

    evaluator = SupervisedEvaluator(
        device=torch.device("cpu"),
        val_data_loader=DataLoader(items, batch_size=3),
        network=Known(),
        prepare_batch=prepare,
        iteration_update=step,
        postprocessing=Compose([Keep(keys="pred")]),
        key_val_metric=metrics,
        decollate=True,
    )
    for _ in range(epochs):
        evaluator.run()
    return evaluator.state


@pytest.mark.parametrize("epochs", [1, 2])
def test_in_monais_evaluator_against_scikit_learn(epochs):
    items = samples(0)
    state = evaluate(items, validation_metrics(GRADES + MASKS, thresholds={"OD": 0.8}), epochs=epochs)
    masked = [item for index, item in enumerate(items) if index != 3]
    dices = []
    for position, limit in enumerate((0.5, 0.8)):
        truth = torch.cat([item["masks"][position].flatten() for item in masked])
        predicted = torch.cat([item["image"][position].flatten() > limit for item in masked])
        dices.append(f1_score(truth, predicted))
    graded = items[::2]
    truth = [int(item["grades"][0]) for item in graded], [int(item["grades"][1]) for item in items]
    predicted = (
        [int(i["image"][2, 0, :5].argmax()) for i in graded],
        [int(i["image"][2, 1, :3].argmax()) for i in items],
    )
    accuracies = [accuracy_score(truth[0], predicted[0]), accuracy_score(truth[1], predicted[1])]
    expected = {
        "Dice_MA": dices[0],
        "Dice_OD": dices[1],
        "Dice_mean": np.mean(dices),
        "accuracy_RG": accuracies[0],
        "accuracy_MER": accuracies[1],
        "accuracy_mean": np.mean(accuracies),
        "kappa_RG": cohen_kappa_score(truth[0], predicted[0], weights="quadratic", labels=range(5)),
        "kappa_MER": cohen_kappa_score(truth[1], predicted[1], weights="quadratic", labels=range(3)),
        "score": (np.mean(dices) + np.mean(accuracies)) / 2,
    }
    assert state.metrics == pytest.approx(expected)
    assert all(isinstance(value, float) for value in state.metrics.values())
    assert state.key_metric_name == "score"
    assert state.best_metric == pytest.approx(expected["score"])


@pytest.mark.parametrize(("tasks", "part"), [(GRADES, "accuracy_mean"), (MASKS, "Dice_mean")])
def test_score_where_only_one_kind_of_task_exists(tasks, part):
    items = samples(1)
    for item in items:
        item["labelled"] = torch.ones(2, dtype=torch.bool)
    tally = TaskTally(tasks)
    for item in items:
        output = {"pred": item["image"][:2], "RG": item["image"][2, 0, :5], "MER": item["image"][2, 1, :3]}
        tally.update((output, item))
    figures = tally.compute()
    assert figures["score"] == figures[part] > 0


def test_a_task_without_labels_is_undefined_and_left_out_of_the_mean():
    tally = TaskTally(MASKS)
    mask = torch.tensor([[[1, 0]], [[1, 1]]], dtype=torch.uint8)
    tally.update(({"pred": mask.float()}, {"labelled": torch.tensor([True, False]), "masks": mask}))
    figures = tally.compute()
    assert np.isnan(figures["Dice_OD"])
    assert figures["Dice_MA"] == figures["Dice_mean"] == figures["score"] == 1


def test_an_absent_lesion_that_is_not_predicted_counts_as_right():
    tally = TaskTally(MASKS[:1])
    empty = torch.zeros(1, 4, 4)
    tally.update(({"pred": empty}, {"labelled": torch.tensor([True]), "masks": empty}))
    assert tally.compute()["Dice_MA"] == 1


def test_nothing_labelled_at_all_is_an_error():
    items = samples(2)
    for item in items:
        item["labelled"] = torch.zeros(4, dtype=torch.bool)
    with pytest.raises(DataError, match="no validation photograph has a label"):
        evaluate(items, validation_metrics(GRADES + MASKS))


def test_counts_of_two_processes_add_up():
    """What sync_all_reduce does to the counter, done by hand."""
    items = samples(4)
    whole, first, second = (TaskTally(GRADES + MASKS) for _ in range(3))

    def add(tally, chosen):
        for item in chosen:
            output = {"pred": item["image"][:2], "RG": item["image"][2, 0, :5], "MER": item["image"][2, 1, :3]}
            tally.update((output, item))

    add(whole, items)
    add(first, items[:3])
    add(second, items[3:])
    first._counts = first._counts + second._counts
    assert first.compute() == pytest.approx(whole.compute(), nan_ok=True)
