"""Training end to end at a tiny size: files, tracking, going on within an epoch, the found rate."""

import json

import pytest
import torch
from ignite.engine import Events
from monai.bundle import ConfigWorkflow

from shared.observatory import open_run
from shared.observatory.snapshots import OVERLAY
from tests.support.bundle import config_files, run, workflow
from tests.support.tiny import TINY

NAME = "fundus_od_unet"


def test_a_run_leaves_a_model_records_and_pictures_and_learns(tiny, tmp_path, capsys):
    run(NAME, "train", **tiny | TINY[NAME].golden)
    folder = tmp_path / "run"
    expected = ["model.pt", "model.json", "checkpoint.pt", "history.json", "config.json", "run.json", "split.json"]
    assert {*expected, "metrics.json", "finished.json"} <= {file.name for file in folder.iterdir()}
    assert (folder / "figures" / "curves.png").stat().st_size > 5000
    assert {file.name for file in (tmp_path / "models").iterdir()} == {"model.pt", "model.json", "split.json"}
    facts = json.loads((folder / "model.json").read_text())
    assert (facts["phantom"], facts["protocol"], facts["classes"]) == (True, "published", ["disc"])
    assert facts["learning_rate"] == 0.02
    settings = facts["settings"]
    assert (settings["image_size"], settings["backbone"], settings["classes"]) == ([64, 48], "padded", ["disc"])
    parts = json.loads((folder / "split.json").read_text())["parts"]
    assert {part: len(names) for part, names in parts.items()} == {"training": 6, "validation": 2, "test": 8}
    printed = capsys.readouterr().out
    assert "PHANTOM DATA" in printed
    assert f"best model   {folder / 'model.pt'}" in printed
    rows = json.loads((folder / "history.json").read_text())
    assert {"loss", "score", "Dice_disc", "IoU_disc", "Dice_mean"} <= set(rows[0])
    assert rows[-1]["loss"] < rows[0]["loss"] - 0.02


@pytest.mark.parametrize("keys", [{}, {"optimizer_name": "rmsprop", "learning_rate": "auto", "rate#steps": 16}])
def test_a_run_stopped_within_an_epoch_goes_on_to_the_same_network(keys, tiny, tmp_path):
    keys = tiny | {"models_dir": "", "max_epochs": 2} | keys
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
    assert all(torch.equal(whole["network"][name], rest["network"][name]) for name in whole["network"])
    assert whole["history"] == rest["history"]
    records = [json.loads((tmp_path / "parts" / f"run{number}.json").read_text()) for number in ("", "-2")]
    assert records[0]["learning_rate"] == records[1]["learning_rate"] < 1
    assert json.loads((tmp_path / "whole" / "model.json").read_text())["learning_rate"] == records[0]["learning_rate"]


def test_disc_and_cup_by_windows(tiny, tmp_path):
    keys = tiny | {"max_epochs": 1, "batches_per_epoch": 2, "window": [48, 48], "loss_name": "tversky"}
    run(NAME, "train", "cup", **keys)
    facts = json.loads((tmp_path / "models" / "model.json").read_text())
    assert facts["classes"] == facts["settings"]["classes"] == ["disc", "cup"]
    row = json.loads((tmp_path / "run" / "history.json").read_text())[0]
    assert {"Dice_disc", "Dice_cup", "IoU_cup"} <= set(row)


def test_snapshots_of_a_run_can_be_looked_at(tiny, tmp_path):
    """The observatory's own overlay with this bundle."""
    overlay = tmp_path / "snapshots.json"
    overlay.write_text(OVERLAY)
    files = [*config_files(NAME, "train"), str(overlay)]
    keys = tiny | {"max_epochs": 1, "batches_per_epoch": 2}
    flow = ConfigWorkflow(config_file=files, workflow_type="train", logging_file=False, **keys)
    flow.initialize()
    flow.run()
    opened = open_run(tmp_path / "run")
    assert [snapshot.epoch for snapshot in opened.snapshots] == [0, 1]
    assert opened.num_classes == 2
    images, labels = opened.batches[0]
    assert images.shape[1:] == (3, 48, 48)
    assert 0 <= float(images.min()) < float(images.max()) <= 1.5
    assert set(labels.unique().tolist()) <= {0, 1}
