"""A run that goes on: one name, one record, one MLflow run; what changed is said; a complete one is left alone."""

import json
import logging

import pytest

from shared.errors import CheckpointError, DataError
from tests.support.bundle import run
from tests.support.errors import fails_with


@pytest.fixture
def first(tiny, tmp_path):
    """Overrides of a run of one epoch that is complete."""
    keys = tiny | {"max_epochs": 1, "batches_per_epoch": 2, "accumulation_steps": 1, "validation_fraction": 0.5}
    run("idrid_moe_mtl", "train", **keys)
    return keys


def test_a_run_goes_on_under_its_name_and_keeps_its_first_record(first, home, tmp_path, caplog, capsys):
    from mlflow import MlflowClient

    folder = tmp_path / "run"
    files = {name: (folder / name).read_bytes() for name in ("run.json", "config.json")}
    published = (tmp_path / "models" / "model.pt").stat().st_mtime_ns
    capsys.readouterr()
    run("idrid_moe_mtl", "train", **first)
    assert f"already complete: 1 epochs in {folder}" in capsys.readouterr().out
    assert (tmp_path / "models" / "model.pt").stat().st_mtime_ns == published
    caplog.clear()
    with caplog.at_level(logging.WARNING):
        run("idrid_moe_mtl", "train", **first | {"max_epochs": 2, "learning_rate": 0.01, "num_workers": 1})
    warned = [record.message for record in caplog.records if "was started with another" in record.message]
    assert warned == [
        "this run was started with another learning_rate: 0.0003, now 0.01; the checkpoint's stays in effect"
    ]
    assert "already complete" not in capsys.readouterr().out
    assert files == {name: (folder / name).read_bytes() for name in files}
    assert json.loads((folder / "config-3.json").read_text())["learning_rate"] == 0.01
    names = {json.loads(file.read_text())["run_name"] for file in folder.glob("run*.json")}
    client = MlflowClient(f"sqlite:///{home}/runs/mlflow.db")
    (experiment,) = [item for item in client.search_experiments() if item.name == "idrid_moe_mtl"]
    (record,) = client.search_runs(experiment.experiment_id)
    assert names == {record.info.run_name}
    assert [point.step for point in client.get_metric_history(record.info.run_id, "loss")] == [1, 2]
    assert record.data.params["learning_rate"] == "0.0003"
    assert "network" not in record.data.params


def test_a_checkpoint_goes_on_in_a_new_folder_with_its_best_model(first, tmp_path):
    source, other = tmp_path / "run", tmp_path / "other"
    keys = first | {"resume": str(source / "checkpoint.pt"), "output_dir": str(other)}
    run("idrid_moe_mtl", "train", **keys)
    assert (other / "model.pt").read_bytes() == (source / "model.pt").read_bytes()
    assert (other / "metrics.json").is_file()
    (source / "model.pt").unlink()
    with fails_with(CheckpointError, "no model.pt beside"):
        run("idrid_moe_mtl", "train", **keys | {"output_dir": str(tmp_path / "third")})


def test_a_models_folder_that_cannot_be_written_is_found_before_the_first_epoch(tiny, tmp_path):
    (tmp_path / "taken").write_text("")
    with fails_with(DataError, "--models_dir"):
        run("idrid_moe_mtl", "train", **tiny | {"models_dir": str(tmp_path / "taken" / "models")})
    assert not (tmp_path / "run" / "history.json").exists()
