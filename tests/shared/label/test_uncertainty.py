"""Entropy and expert disagreement against SciPy and gates that are rebuilt; the network is left as it was."""

from copy import deepcopy
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from scipy.stats import entropy

from shared.label.uncertainty import RecordUncertainty, expert_disagreement, output_entropy
from shared.networks import MultiTaskNetwork
from shared.networks.routing import Router
from shared.tasks import parse_tasks

TASKS = [
    {"name": "RG", "kind": "grade", "num_classes": 5, "title": "Grade"},
    {"name": "EX", "kind": "mask", "title": "Exudates"},
    {"name": "OD", "kind": "mask", "title": "Disc"},
]


def network(*, experts: int = 3, rule: str = "top_p", scoring: str = "softmax") -> MultiTaskNetwork:
    torch.manual_seed(0)
    return MultiTaskNetwork(tasks=TASKS, backbone="resnet18", num_experts=experts, rule=rule, scoring=scoring)


def test_entropy_of_classes_and_of_several_tasks():
    rng = np.random.default_rng(0)
    maps = rng.dirichlet(np.ones(4), size=(5, 6)).transpose(2, 0, 1).astype(np.float32)
    expected = entropy(maps, axis=0, base=4).mean()
    assert output_entropy({"pred": torch.from_numpy(maps)}, None) == pytest.approx(expected, abs=1e-6)
    scores, grade = rng.random((2, 5, 6)).astype(np.float32), rng.dirichlet(np.ones(5)).astype(np.float32)
    each = [entropy(np.stack([scores, 1 - scores]), axis=0, base=2).mean(), entropy(grade, base=5)]
    given = {"pred": torch.from_numpy(scores), "RG": torch.from_numpy(grade)}
    assert output_entropy(given, parse_tasks(TASKS)) == pytest.approx(np.mean(each), abs=1e-6)
    assert output_entropy({"pred": torch.tensor([1.0, 0.0]).reshape(2, 1, 1)}, None) == 0
    assert output_entropy({"pred": torch.full((3, 2, 2), 1 / 3)}, None) == pytest.approx(1)


@pytest.mark.parametrize(("rule", "scoring"), [("top_p", "softmax"), ("top_p", "sigmoid"), ("dense", "softmax")])
def test_disagreement_is_that_of_experts_one_by_one(rule, scoring):
    whole = network(rule=rule, scoring=scoring).eval()
    image_13HW = torch.randn(1, 3, 64, 64)
    answers = []
    for expert in range(3):
        alone = deepcopy(whole)
        for module in alone.modules():
            if isinstance(module, Router):
                torch.nn.init.zeros_(module.linear.weight)
                torch.nn.init.constant_(module.linear.bias, -80.0)
                module.linear.bias.data[expert] = 80.0
        with torch.no_grad():
            given = alone(image_13HW)
        maps = given["pred"][0].double().sigmoid().numpy()
        answers.append({"RG": given["RG"][0].double().softmax(0).numpy()})
        answers[-1] |= {name: np.stack([maps[place], 1 - maps[place]]) for place, name in enumerate(("EX", "OD"))}
    parts = []
    for name in ("RG", "EX", "OD"):
        each = np.stack([answer[name] for answer in answers])
        difference = entropy(each.mean(0), axis=0) - np.mean([entropy(one, axis=0) for one in each], axis=0)
        parts.append(np.mean(difference) / np.log(min(3, each.shape[1])))
    found = expert_disagreement(whole, image_13HW, parse_tasks(TASKS))
    assert found == pytest.approx(np.mean(parts), abs=1e-6)
    assert found > 1e-6


def test_experts_that_are_alike_agree():
    whole = network(experts=2).eval()
    for mixture in [*whole.grades.values(), *whole.masks.values()]:
        first, second = mixture.dispatch.experts
        second.load_state_dict(first.state_dict())
    image_13HW = torch.randn(1, 3, 64, 64)
    assert expert_disagreement(whole, image_13HW, parse_tasks(TASKS)) == pytest.approx(0, abs=1e-6)
    assert expert_disagreement(network(experts=1), image_13HW, parse_tasks(TASKS)) == 0


def test_recording_leaves_the_network_as_it_was(tmp_path):
    """Between batches MONAI's evaluators leave networks in training mode, where BatchNorm would learn."""
    whole = network().train()
    before = {key: value.clone() for key, value in whole.state_dict().items()}
    recorder = RecordUncertainty(path=tmp_path / "uncertainty.json", network=whole, tasks=TASKS)
    image_3HW = torch.randn(3, 64, 64)
    with torch.no_grad():
        given = deepcopy(whole).eval()(image_3HW[None])
    output = {"pred": given["pred"][0].sigmoid(), "RG": given["RG"][0].softmax(0)}
    engine = SimpleNamespace(state=SimpleNamespace(output=[output, output], batch=[{"image": image_3HW}] * 2))
    recorder.start(engine)
    recorder.collect(engine)
    recorder.finish(engine)
    assert whole.training
    assert all(torch.equal(value, before[key]) for key, value in whole.state_dict().items())
    assert (tmp_path / "uncertainty.json").read_text().count("entropy") == 1
    assert len(recorder.values["disagreement"]) == 2
    assert recorder.values["disagreement"][0] == recorder.values["disagreement"][1]
