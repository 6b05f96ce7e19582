"""Training end to end at a tiny size: files, tracking, going on within an epoch."""

import json

import pytest
import torch
from ignite.engine import Events

from tests.support.bundle import run, workflow
from tests.support.measured import compare_measured
from tests.support.tiny import TINY, only_accepted

NAME = "retouch_meanteacher"


def test_a_run_leaves_both_networks_records_and_pictures_and_learns(tiny, tmp_path, capsys):
    run(NAME, "train", **tiny | TINY[NAME].golden)
    folder = tmp_path / "run"
    expected = ["model.pt", "model.json", "student.pt", "teacher.pt", "checkpoint.pt", "history.json", "config.json"]
    expected += ["run.json", "split.json", "metrics.json", "metrics.csv", "per_volume.csv"]
    assert set(expected) <= {file.name for file in folder.iterdir()}
    assert (folder / "figures" / "curves.png").stat().st_size > 5000
    states = {name: torch.load(folder / f"{name}.pt", weights_only=True) for name in ("model", "teacher", "student")}
    assert same(states["model"], states["teacher"])
    assert not same(states["model"], states["student"])
    published = {"model.pt", "model.json", "split.json", "student.pt", "teacher.pt"}
    assert {file.name for file in (tmp_path / "models").iterdir()} == published
    facts = json.loads((folder / "model.json").read_text())
    assert (facts["phantom"], facts["method"], facts["classes"]) == (True, "mean_teacher", ["IRF", "SRF", "PED"])
    assert facts["settings"]["image_size"] == [64, 64]
    assert facts["settings"]["neighbours"] == 0
    split = json.loads((folder / "split.json").read_text())["parts"]
    assert {part: len(names) for part, names in split.items()} == {
        "labelled": 3,
        "unlabelled": 3,
        "validation": 3,
        "test": 0,
    }
    printed = capsys.readouterr().out
    assert "PHANTOM DATA" in printed
    assert f"best model   {folder / 'model.pt'}" in printed
    undeclared, unwritten = compare_measured(NAME, folder)
    assert not undeclared
    assert all("fluid" in column or "_within_" in column or "per_epoch" in column for column in unwritten)
    rows = json.loads((folder / "history.json").read_text())
    assert {"loss_supervised", "loss_consistency", "score", "student_Dice_IRF", "teacher_Dice_mean"} <= set(rows[0])
    assert rows[-1]["loss"] < rows[0]["loss"] - 0.02


def same(first, second):
    return all(torch.equal(first[name], second[name]) for name in first)


@pytest.mark.parametrize("method", ["mean_teacher", "cross_pseudo"])
def test_a_run_stopped_within_an_epoch_goes_on_to_the_same_networks(method, tiny, tmp_path):
    keys = tiny | {"method": method, "models_dir": "", "max_epochs": 2, "passes": "apart"}
    run(NAME, "train", **keys | {"output_dir": str(tmp_path / "whole")})
    parts = keys | {"output_dir": str(tmp_path / "parts")}
    flow = workflow(NAME, "train", **parts)
    flow.initialize()
    trainer = flow.parser.get_parsed_content("train#trainer")
    trainer.add_event_handler(Events.ITERATION_COMPLETED(once=6), trainer.terminate)
    flow.run()
    assert len(json.loads((tmp_path / "parts" / "history.json").read_text())) == 1
    run(NAME, "train", **parts)
    whole, rest = (
        torch.load(tmp_path / folder / "checkpoint.pt", weights_only=True)["objects"] for folder in ("whole", "parts")
    )
    for name in ("network", "teacher"):
        assert same(whole[name], rest[name])
    assert whole["history"] == rest["history"]


def test_neighbours_are_channels_from_training_to_inference(tiny, tmp_path):
    keys = tiny | {"max_epochs": 1, "batches_per_epoch": 2, "neighbours": 1}
    run(NAME, "train", **keys)
    weights = torch.load(tmp_path / "models" / "model.pt", weights_only=True)
    assert weights["encoder.conv1.weight"].shape[1] == 3
    given = {"ckpt_path": str(tmp_path / "models" / "model.pt"), "bootstrap_samples": 0, "split": "validation"}
    run(NAME, "train", "evaluate", **keys | given | {"output_dir": str(tmp_path / "evaluation")})
    undeclared, unwritten = compare_measured(NAME, tmp_path / "evaluation", stage="evaluation")
    assert not undeclared
    assert all("fluid" in column or "_within_" in column for column in unwritten)
    scan = f"{tiny['dataset_dir']}/RETOUCH-TrainingSet-Topcon/TRAIN007/oct.mhd"
    own = {"ckpt_path": given["ckpt_path"], "dataset_dir": scan, "output_dir": str(tmp_path / "out")}
    infer = only_accepted(keys, NAME, "inference") | own
    run(NAME, "inference", workflow_type="infer", **infer)
    assert len(list((tmp_path / "out").rglob("*.mha"))) == 1
