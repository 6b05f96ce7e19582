"""Training end to end at a tiny size: files and tracking."""

import json
from pathlib import Path

import torch

from tests.support.bundle import run
from tests.support.measured import compare_measured


def test_a_run_leaves_model_records_pictures_and_tracking(tiny, tmp_path, capsys):
    run("idrid_moe_mtl", "train", **tiny)
    folder = tmp_path / "run"
    expected = ["model.pt", "model.json", "checkpoint.pt", "history.json", "config.json", "run.json", "metrics.json"]
    assert set(expected) <= {file.name for file in folder.iterdir()}
    assert (folder / "figures" / "curves.png").stat().st_size > 5000
    state = torch.load(folder / "model.pt", weights_only=True)
    assert all(isinstance(value, torch.Tensor) for value in state.values())
    published = {"model.pt", "model.json", "split.json", "thresholds.json"}
    assert {file.name for file in (tmp_path / "models").iterdir()} == published
    facts = json.loads((folder / "model.json").read_text())
    assert facts["phantom"] is True
    assert facts["tasks"] == ["RG", "MER", "MA", "HE", "EX", "SE", "OD"]
    executed = json.loads((folder / "config.json").read_text())
    assert executed["image_size"] == [64, 80]
    assert executed["max_epochs"] == 2
    history = json.loads((folder / "history.json").read_text())
    assert [row["epoch"] for row in history] == [1, 2]
    assert {"loss", "loss_RG", "loss_MA", "loss_gates", "score", "Dice_OD", "accuracy_RG"} <= set(history[0])
    assert compare_measured("idrid_moe_mtl", folder) == (set(), set())
    printed = capsys.readouterr().out
    assert "PHANTOM DATA" in printed
    assert f"best model   {folder / 'model.pt'}" in printed


def test_a_run_is_in_the_one_mlflow_store(tiny, home):
    from mlflow import MlflowClient

    run("idrid_moe_mtl", "train", **tiny | {"run_name": "a-run"})
    client = MlflowClient(f"sqlite:///{home}/runs/mlflow.db")
    (experiment,) = [e for e in client.search_experiments() if e.name == "idrid_moe_mtl"]
    (record,) = client.search_runs(experiment.experiment_id)
    assert record.info.run_name == "a-run"
    assert record.info.status == "FINISHED"
    assert record.data.params["backbone"] == "resnet18"
    assert record.data.params["learning_rate"] == "0.0003"
    assert [point.step for point in client.get_metric_history(record.info.run_id, "loss_MA")] == [1, 2]
    assert record.data.tags["phantom"] == "True"
    files = {item.path for item in client.list_artifacts(record.info.run_id)}
    assert {"config.json", "model.pt", "figures"} <= files
    assert Path(experiment.artifact_location.removeprefix("file://")).is_relative_to(home)
