"""The loss of mask, grades and box, its weightings, and a few steps of training on phantoms."""

from __future__ import annotations

import ast
from pathlib import Path
from typing import Any

import pytest
import torch
from torch.nn import functional

from shared.errors import ConfigError
from shared.losses.weighting import FixedWeights, UncertaintyWeights, all_parameters
from shared.networks.hard_sharing_unet import HardSharingUNet

pytestmark = pytest.mark.usefixtures("pets_scripts")

PET, SPECIES, BOX = (
    {"name": "pet", "kind": "mask"},
    {"name": "species", "kind": "grade", "num_classes": 2},
    {"name": "box", "kind": "box"},
)
TASKS: list[dict[str, Any]] = [PET, SPECIES, BOX]
EQUAL = {"pet": 1 / 3, "species": 1 / 3, "box": 1 / 3}


def make_loss(weighting: Any = None) -> Any:
    from scripts.loss import PetLoss

    return PetLoss(tasks=TASKS, weighting=weighting or FixedWeights(EQUAL))


def batch() -> tuple[dict[str, torch.Tensor], dict[str, torch.Tensor]]:
    """Outputs and labels of three images; the second has no mask, the third no box."""
    random = torch.Generator().manual_seed(0)
    outputs = {
        "pred": torch.randn(3, 1, 6, 8, generator=random, requires_grad=True),
        "species": torch.randn(3, 2, generator=random, requires_grad=True),
        "box": torch.rand(3, 4, generator=random, requires_grad=True),
    }
    labels = {
        "masks": (torch.rand(3, 1, 6, 8, generator=random) > 0.5).to(torch.uint8),
        "counted": torch.ones(3, 1, 6, 8, dtype=torch.uint8),
        "grades": torch.tensor([[0], [1], [1]]),
        "labelled": torch.tensor([[True, True, True], [False, True, True], [True, True, False]]),
        "box": torch.rand(3, 4, generator=random),
        "has_box": torch.tensor([True, True, False]),
    }
    return outputs, labels


def test_terms_by_hand() -> None:
    outputs, labels = batch()
    dice = []
    for row in (0, 2):
        share, truth = torch.sigmoid(outputs["pred"][row]), labels["masks"][row].float()
        dice.append(1 - (2 * (share * truth).sum() + 1e-5) / (share.sum() + truth.sum() + 1e-5))
    box = (outputs["box"][:2] - labels["box"][:2]).abs().mean()
    species = functional.cross_entropy(outputs["species"], labels["grades"][:, 0])
    by_hand = {"pet": torch.stack(dice).mean(), "species": species, "box": box}
    loss = make_loss()
    torch.testing.assert_close(loss.terms(outputs, labels), by_hand)
    torch.testing.assert_close(loss(outputs, labels), sum(by_hand.values()) / 3)
    torch.testing.assert_close(loss.last_terms["box"], box.detach())


def test_what_is_not_labelled_has_no_gradient() -> None:
    outputs, labels = batch()
    labels["counted"][0, 0, :3] = 0
    make_loss()(outputs, labels).backward()
    pred, box = outputs["pred"].grad, outputs["box"].grad
    assert pred is not None
    assert box is not None
    assert not pred[1].any()
    assert not pred[0, 0, :3].any()
    assert pred[0, 0, 3:].abs().min() > 0
    assert not box[2].any()
    assert box[:2].abs().min() > 0


def test_pixels_that_do_not_count_change_nothing() -> None:
    outputs, labels = batch()
    labels["counted"][:, :, :2] = 0
    before = make_loss().terms(outputs, labels)["pet"]
    outputs["pred"] = outputs["pred"].detach().clone()
    outputs["pred"][:, :, :2] += 5
    torch.testing.assert_close(make_loss().terms(outputs, labels)["pet"], before)


def test_a_batch_without_boxes() -> None:
    outputs, labels = batch()
    labels["has_box"][:] = False
    assert make_loss().terms(outputs, labels).keys() == {"pet", "species"}


def test_a_batch_without_any_label_has_no_gradient() -> None:
    outputs, labels = batch()
    labels["labelled"][:], labels["has_box"][:] = False, False
    total = make_loss()(outputs, labels)
    total.backward()
    assert float(total) == 0
    assert all(output.grad is not None and not output.grad.any() for output in outputs.values())


def test_losses_task_by_task_add_up_to_the_total() -> None:
    outputs, labels = batch()
    loss = make_loss(FixedWeights({"pet": 0.5, "species": 0.2, "box": 0.3}))
    by_task = loss.by_task(outputs, labels)
    total = loss(outputs, labels)
    torch.testing.assert_close(torch.stack(list(by_task.values())).sum(), total)
    torch.testing.assert_close(loss.last_terms["total"], total.detach())
    learned = make_loss(UncertaintyWeights(["pet", "species", "box"]))
    with pytest.raises(ConfigError, match="fixed weights"):
        learned.by_task(outputs, labels)


def test_published_weights() -> None:
    from scripts.weights import PUBLISHED, PUBLISHED_DICE, choose_weighting

    assert len(PUBLISHED_DICE) == 10
    assert PUBLISHED_DICE.keys() == PUBLISHED.keys() | {"uncertainty"}
    assert all(sum(weights.values()) == pytest.approx(1) for weights in PUBLISHED.values())
    chosen = choose_weighting("80_10_10", tasks=TASKS)
    assert isinstance(chosen, FixedWeights)
    assert chosen.weights == {"pet": 0.8, "species": 0.1, "box": 0.1}
    learned = choose_weighting("uncertainty", tasks=[PET, BOX])
    assert learned.weights == {"pet": 1.0, "box": 0.5}
    for name, tasks in (("60_20_20", TASKS), ("80_10_10", [PET])):
        with pytest.raises(ConfigError, match="80_10_10"):
            choose_weighting(name, tasks=tasks)
    number: Any = ast.literal_eval("80_10_10")  # as Fire does with an unquoted word
    with pytest.raises(ConfigError, match="--weighting \"'80_10_10'\""):
        choose_weighting(number, tasks=TASKS)


def test_weights_by_key() -> None:
    from scripts.weights import choose_aggregator, choose_weighting

    tasks = [PET, BOX]
    assert choose_weighting("fixed", tasks=tasks, task_weights={"box": 2}).weights == {"pet": 1.0, "box": 2}
    assert choose_weighting("upgrad", tasks=tasks).weights == {"pet": 1.0, "box": 1.0}
    assert choose_aggregator("fixed", tasks=tasks) is None
    aggregator = choose_aggregator("mean", tasks=tasks)
    assert aggregator is not None
    torch.testing.assert_close(aggregator(torch.tensor([[1.0, 3.0], [3.0, 1.0]])), torch.tensor([2.0, 2.0]))
    with pytest.raises(ConfigError, match="task_weights of species"):
        choose_weighting("fixed", tasks=tasks, task_weights={"species": 1})
    with pytest.raises(ConfigError, match="which has its own"):
        choose_weighting("uncertainty", tasks=tasks, task_weights={"box": 1})


def test_uncertainty_weights_change_while_phantoms_are_learned(phantom_pets: Path) -> None:
    from monai.data import list_data_collate
    from scripts.datalist import make_datalist
    from scripts.load import LoadPetd

    items = [item for item in make_datalist(phantom_pets, tasks=TASKS)["training"] if item["head_box"]][:6]
    keys = ("image", "masks", "counted", "grades", "labelled", "box", "has_box")
    samples = [LoadPetd((32, 32))(item) for item in items]
    labels = list_data_collate([{key: sample[key] for key in keys} for sample in samples])
    image = labels["image"].float() / 128 - 1
    torch.manual_seed(0)
    network = HardSharingUNet(grades={"species": 2}, box=True, channels=(4, 4, 8, 8))
    loss = make_loss(UncertaintyWeights(["pet", "species", "box"], regression=["box"]))
    optimizer = torch.optim.Adam(all_parameters(network, loss), 1e-2)  # type: ignore[arg-type]
    before, pet = loss.weighting.weights, []
    for _ in range(16):
        optimizer.zero_grad()
        loss(network(image), labels).backward()
        optimizer.step()
        pet.append(float(loss.last_terms["pet"]))
    after = loss.weighting.weights
    assert all(abs(after[name] - before[name]) > 0.05 for name in before)
    assert after["box"] / before["box"] > after["species"] / before["species"]  # its loss is the smaller one
    assert sum(pet[-4:]) < 0.95 * sum(pet[:4]), pet
