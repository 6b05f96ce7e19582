import json

import numpy as np
import pytest
import torch

from shared.errors import ConfigError, DataError
from shared.handlers.ensemble_fit import FitEnsembleWeights
from shared.networks.ensemble import Ensemble
from shared.networks.side_by_side import SideBySide
from shared.report.ensemble_weights import WeightSearch, read_ensemble_weights, simplex_grid
from shared.transforms.class_probabilities import ClassProbabilitiesd
from tests.support.predictions import CLASSES, draw_volume, evaluator_over

NAMES = ("one", "two", "three")


def scans(count=6, size=(7, 9)):
    """(volume, probabilities by member, truth): member two is the best for class 1, three for the others."""
    generator = np.random.default_rng(0)
    found = []
    for index in range(count):
        truth = generator.integers(0, 4, size)
        maps = {}
        for member, strength in zip(NAMES, (0.4, 0.7, 0.7), strict=True):
            logits = generator.normal(size=(4, *size)) + strength * 3 * np.eye(4)[truth].transpose(2, 0, 1)
            maps[member] = torch.from_numpy(logits).float().softmax(0)
        found.append((f"v{index // 2}", maps, torch.from_numpy(truth)))
    return found


def test_grid_is_the_simplex():
    grid = simplex_grid(3, steps=4)
    assert len(grid) == 15 == len({tuple(row) for row in grid.tolist()})
    np.testing.assert_allclose(grid.sum(1), 1)
    assert grid.min() == 0
    assert sorted(simplex_grid(2, steps=2).tolist()) == [[0, 1], [0.5, 0.5], [1, 0]]


@pytest.mark.parametrize(("members", "steps"), [(1, 10), (2, 0), (6, 20)])
def test_grids_that_make_no_sense(members, steps):
    with pytest.raises(ConfigError, match="fewer steps or members"):
        simplex_grid(members, steps=steps)


def test_scores_are_those_of_a_plain_loop():
    search, drawn = WeightSearch(NAMES, num_classes=4, steps=4), scans()
    for volume, maps, truth in drawn:
        search.add(volume, maps, truth)
    for weights, score in zip(search.grid_GM, search.scores(), strict=True):
        dices = []
        for fluid in (1, 2, 3):
            own = []
            for volume in ("v0", "v1", "v2"):
                pairs = [
                    (truth, sum(w * maps[n] for w, n in zip(weights, NAMES, strict=True)).argmax(0))
                    for name, maps, truth in drawn
                    if name == volume
                ]
                truth, predicted = (torch.cat(part).flatten() == fluid for part in zip(*pairs, strict=True))
                own.append(2 * (truth & predicted).sum() / (truth.sum() + predicted.sum()))
            dices.append(np.mean(own))
        assert score == pytest.approx(np.mean(dices))
    choice = search.choose()
    assert choice.score == search.scores().max() >= max(choice.members.values())
    assert sum(choice.weights.values()) == pytest.approx(1)


def test_equal_scores_give_even_weights():
    maps = scans(1)[0][1]["one"]
    search = WeightSearch(["a", "b"], num_classes=4)
    search.add("v", {"a": maps, "b": maps}, maps.argmax(0))
    assert search.choose().weights == {"a": 0.5, "b": 0.5}


def test_nothing_to_choose_by():
    with pytest.raises(DataError, match="0 labelled volumes"):
        WeightSearch(["a", "b"], num_classes=4).choose()


def evaluate(handler, drawn):
    for _, batch in drawn.pairs:
        batch["label"] = batch.pop("native_label")
    engine, data = evaluator_over(drawn.pairs)
    handler.attach(engine)
    engine.run(data)


def test_as_a_handler(tmp_path, capsys):
    drawn = draw_volume("Cirrus/A", predictions=("student", "teacher"))
    for (output, _), truth in zip(drawn.pairs, drawn.truth_NHW, strict=True):
        maps = torch.from_numpy(np.eye(4)[truth]).permute(2, 0, 1).float()
        output["pred"]["teacher"] = 0.6 * maps + 0.4 * output["pred"]["student"].flip(0)
    handler = FitEnsembleWeights(classes=CLASSES, output_dir=tmp_path, provenance={"commit": "abc"})
    evaluate(handler, drawn)
    written = json.loads((tmp_path / "ensemble.json").read_text())
    assert written["weights"] == handler.choice.weights == read_ensemble_weights(tmp_path / "model.pt")
    assert written["mean_dice"] >= written["mean_dice_members"]["teacher"] > written["mean_dice_members"]["student"]
    assert "fitted on split 'validation'" in capsys.readouterr().out
    assert read_ensemble_weights(tmp_path) == read_ensemble_weights(tmp_path / "ensemble.json")
    assert read_ensemble_weights(tmp_path / "other/model.pt") == "equal"


def test_a_set_without_labels(tmp_path):
    unlabelled = draw_volume("A", predictions=("a", "b"), labelled=False)
    with pytest.raises(DataError, match="0 labelled volumes"):
        evaluate(FitEnsembleWeights(classes=CLASSES, output_dir=tmp_path), unlabelled)


def test_a_single_prediction_or_another_size_is_refused(tmp_path):
    with pytest.raises(ConfigError, match="1 members"):
        evaluate(FitEnsembleWeights(classes=CLASSES, output_dir=tmp_path), draw_volume("A"))
    small = draw_volume("A", predictions=("a", "b"), network_size=(8, 8))
    with pytest.raises(ConfigError, match=r"sizes \[\(8, 8\)\], the label \(24, 20\)"):
        evaluate(FitEnsembleWeights(classes=CLASSES, output_dir=tmp_path), small)


def test_members_side_by_side_mixed_afterwards_are_the_ensemble():
    torch.manual_seed(0)
    networks = [torch.nn.Conv2d(1, 4, 1) for _ in range(2)]
    image = torch.randn(2, 1, 5, 6)
    outputs = SideBySide(members={"a": {"network": networks[0]}, "b": {"network": networks[1]}})(image)
    mixed = ClassProbabilitiesd(ensemble={"a": 3, "b": 1})({"pred": {name: maps[1] for name, maps in outputs.items()}})
    ensemble = Ensemble(members=[{"network": network} for network in networks], weights=[0.75, 0.25])(image)[1]
    torch.testing.assert_close(mixed["pred"]["ensemble"], ensemble.exp())
    torch.testing.assert_close(ClassProbabilitiesd()({"pred": ensemble})["pred"], ensemble.exp())
    torch.testing.assert_close(mixed["pred"]["a"], outputs["a"][1].softmax(0))
    equal = ClassProbabilitiesd(ensemble="equal")({"pred": {name: maps[0] for name, maps in outputs.items()}})["pred"]
    torch.testing.assert_close(equal["ensemble"], (equal["a"] + equal["b"]) / 2)


@pytest.mark.parametrize("ensemble", [{"a": 1, "c": 1}, {"a": 0}, "best"])
def test_ensembles_that_cannot_be(ensemble):
    with pytest.raises(ConfigError, match="correct the key `ensemble`"):
        ClassProbabilitiesd(ensemble=ensemble)({"pred": {"a": torch.zeros(4, 2, 2), "b": torch.zeros(4, 2, 2)}})
    with pytest.raises(ConfigError, match="one prediction"):
        ClassProbabilitiesd(ensemble="equal")({"pred": torch.zeros(4, 2, 2)})


@pytest.mark.parametrize("names", [[], ["ensemble"], ["a.b"]])
def test_names_of_members(names):
    with pytest.raises(ConfigError, match="rename the members"):
        SideBySide(members={name: {"network": torch.nn.Identity()} for name in names})
