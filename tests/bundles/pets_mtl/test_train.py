"""Training end to end at a tiny size: files, weightings, task lists, going on within an epoch."""

import json

import pytest
import torch
from ignite.engine import Events
from monai.bundle.scripts import run as run_bundle

from shared.errors import ConfigError
from tests.support.bundle import config_files, run, workflow
from tests.support.errors import fails_with
from tests.support.measured import compare_measured
from tests.support.tiny import TINY

NAME = "pets_mtl"
PET = {"name": "pet", "kind": "mask"}
SPECIES = {"name": "species", "kind": "grade", "num_classes": 2}
BREED = {"name": "breed", "kind": "grade", "num_classes": 37}
BOX = {"name": "box", "kind": "box"}


def rows_of(folder):
    return json.loads((folder / "history.json").read_text())


def test_a_run_leaves_model_records_and_pictures_and_learns(tiny, tmp_path, capsys):
    run(NAME, "train", **tiny | TINY[NAME].golden)
    folder = tmp_path / "run"
    expected = ["model.pt", "model.json", "checkpoint.pt", "history.json", "config.json", "run.json", "split.json"]
    expected += ["metrics.json", "metrics.csv", "per_photograph.csv", "finished.json"]
    assert set(expected) <= {file.name for file in folder.iterdir()}
    assert {"curves.png", "worst.png"} <= {file.name for file in (folder / "figures").iterdir()}
    assert {file.name for file in (tmp_path / "models").iterdir()} == {"model.pt", "model.json", "split.json"}
    facts = json.loads((folder / "model.json").read_text())
    assert (facts["phantom"], facts["border"], facts["weighting"]) == (True, "pet", "fixed")
    assert facts["settings"]["tasks"] == ["pet", "species", "box"]
    assert (facts["settings"]["border"], facts["settings"]["image_size"]) == ("pet", [64, 64])
    split = json.loads((folder / "split.json").read_text())
    assert {part: len(names) for part, names in split["parts"].items()} == {"training": 40, "validation": 4, "test": 4}
    assert split["about"]["fractions"] == [0.8, 0.1, 0.1]
    printed = capsys.readouterr().out
    assert "PHANTOM DATA" in printed
    assert f"best model   {folder / 'model.pt'}" in printed
    undeclared, unwritten = compare_measured(NAME, folder)
    assert not undeclared
    assert all("breed" in column or ":weight_" in column for column in unwritten)
    rows = rows_of(folder)
    assert {"loss_pet", "loss_species", "loss_box", "score", "Dice_pet", "IoU_pet", "accuracy_species"} <= set(rows[0])
    assert {"box_IoU", "box_IoU_above_50"} <= set(rows[0])
    assert rows[-1]["loss_pet"] < rows[0]["loss_pet"] - 0.01


def test_uncertainty_weights_are_in_the_optimiser_and_change(tiny, tmp_path):
    flow = run(NAME, "train", **tiny | {"weighting": "uncertainty", "learning_rate": 0.01, "models_dir": ""})
    learned = set(flow.parser.get_parsed_content("loss").parameters())
    groups = flow.parser.get_parsed_content("optimizer").param_groups
    assert learned == set(groups[1]["params"])
    assert groups[1]["weight_decay"] == 0
    rows = rows_of(tmp_path / "run")
    weights = [[row[f"weight_{task}"] for task in ("pet", "species", "box")] for row in rows]
    for start, *later in zip([1.0, 1.0, 0.5], *weights, strict=True):
        assert abs(later[-1] - start) > 0.01
        assert later[0] != later[-1]
    saved = torch.load(tmp_path / "run" / "checkpoint.pt", weights_only=True)["objects"]["loss"]
    assert float(torch.exp(-saved["weighting.log_variances.pet"])) == pytest.approx(weights[-1][0])


@pytest.mark.parametrize("weighting", ["uncertainty", "pcgrad"])
def test_a_run_stopped_within_an_epoch_goes_on_to_the_same_network(weighting, tiny, tmp_path):
    """PCGrad orders three tasks at random, dropout and augmentation draw too: all are functions of the position."""
    keys = tiny | {"models_dir": "", "weighting": weighting, "learning_rate": 0.003}
    run(NAME, "train", **keys | {"output_dir": str(tmp_path / "whole")})
    parts = keys | {"output_dir": str(tmp_path / "parts")}
    flow = workflow(NAME, "train", **parts)
    flow.initialize()
    trainer = flow.parser.get_parsed_content("train#trainer")
    trainer.add_event_handler(Events.ITERATION_COMPLETED(once=6), trainer.terminate)
    flow.run()
    assert len(rows_of(tmp_path / "parts")) == 1
    run(NAME, "train", **parts)
    whole, rest = (
        torch.load(tmp_path / folder / "checkpoint.pt", weights_only=True)["objects"] for folder in ("whole", "parts")
    )
    for name in ("network", "loss"):
        assert whole[name].keys() == rest[name].keys()
        assert all(torch.equal(whole[name][key], rest[name][key]) for key in whole[name])
    assert whole["history"] == rest["history"]


@pytest.mark.parametrize(
    ("tasks", "weighting"), [([PET], "fixed"), ([BOX], "fixed"), ([BOX, BREED, SPECIES], "upgrad")]
)
def test_any_tasks(tasks, weighting, tiny, tmp_path):
    keys = {"tasks": tasks, "weighting": weighting, "border": "ignored", "max_epochs": 1, "models_dir": ""}
    run(NAME, "train", **tiny | keys)
    assert json.loads((tmp_path / "run" / "model.json").read_text())["weighting"] == weighting
    (row,) = rows_of(tmp_path / "run")
    figures = {"pet": "Dice_pet", "species": "accuracy_species", "breed": "accuracy_breed", "box": "box_IoU"}
    named = {task["name"] for task in tasks}
    assert {name for name, figure in figures.items() if figure in row} == named
    assert {name.removeprefix("loss_") for name in row if name.startswith("loss_")} == named
    keys = torch.load(tmp_path / "run" / "model.pt", weights_only=True).keys()
    assert any(key.startswith("decoder") for key in keys) == (PET in tasks)
    assert any(key.startswith("box_head") for key in keys) == (BOX in tasks)


@pytest.mark.parametrize(
    ("keys", "text"),
    [
        ({"weighting": "uncertainy"}, "uncertainty"),
        ({"weighting": "80_10_10", "tasks": [PET, BOX]}, "for pet, box"),
        ({"task_weights": {"head": 2}}, "task_weights of head"),
        ({"border": "thick"}, "pet, background, ignored"),
        ({"protocol": "both"}, "seeded, official"),
        ({"sharing": "soft"}, "hard"),
        ({"tasks": []}, "the task list is empty"),
        ({"image_size": [60, 64]}, "[64,64]"),
        ({"pretrained": "imagenet"}, "scratch"),
        ({"learningrate": 0.1}, "did you mean --learning_rate?"),
    ],
)
def test_what_cannot_be_run_says_why(keys, text, tiny):
    with fails_with(ConfigError, text):
        run_bundle("training", config_file=config_files(NAME, "train"), logging_file=False, **tiny | keys)
