"""Transforms for photographs with masks only, and the activations after the network."""

import pytest
import torch
from monai.transforms import RandShiftIntensityd, ScaleIntensityRanged

from shared.transforms import ForMasksOnlyd, MultiTaskActivationsd

TASKS = [{"name": "RG", "kind": "grade", "num_classes": 3}, {"name": "MA", "kind": "mask"}]


def double():
    return ScaleIntensityRanged("image", a_min=0, a_max=1, b_min=0, b_max=2)


@pytest.mark.parametrize(("labelled", "factor"), [([True, True], 2), ([False, True], 2), ([True, False], 1)])
def test_only_a_photograph_with_masks_is_transformed(labelled, factor):
    item = {"image": torch.ones(3, 2, 2), "labelled": torch.tensor(labelled)}
    done = ForMasksOnlyd(tasks=TASKS, transforms=[double()])(item)
    assert torch.equal(torch.as_tensor(done["image"]), torch.full((3, 2, 2), float(factor)))


def test_its_random_transforms_follow_the_seed():
    transform = ForMasksOnlyd(tasks=TASKS, transforms=[RandShiftIntensityd("image", offsets=5.0, prob=1.0)])
    item = {"image": torch.ones(3, 2, 2), "labelled": torch.tensor([True, True])}
    results = []
    for seed in (1, 2, 1):
        transform.set_random_state(seed)
        results.append(torch.as_tensor(transform(item)["image"]))
    assert torch.equal(results[0], results[2])
    assert not torch.equal(results[0], results[1])


def test_logits_become_probabilities_and_gates_stay():
    logits, gates = torch.randn(1, 4, 4), torch.randn(2, 3)
    item = {"pred": {"pred": logits, "RG": torch.tensor([0.0, 1.0, 2.0]), "gate_weights": gates}, "image": 0}
    done = MultiTaskActivationsd(tasks=TASKS)(item)
    torch.testing.assert_close(done["pred"], 1 / (1 + (-logits).exp()))
    assert done["RG"].sum().item() == pytest.approx(1)
    assert done["RG"].argmax().item() == 2
    assert done["gate_weights"] is gates
    assert "pred" in item
    assert isinstance(item["pred"], dict)
