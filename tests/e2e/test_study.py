"""A study of a real bundle, killed with `kill -9` in the middle and continued by the same command."""

import csv
import json
import os
import signal
import subprocess
import sys
import time

import pytest

from shared.study.executor import hold
from tests.support.bundle import REPOSITORY, run_command
from tests.support.study import METRICS, make_bundle, write_study

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(1200)]
STUDY = {
    "title": "One expert or two",
    "bundle": "idrid_moe_mtl",
    "overlays": ["quickstart"],
    "keys": {
        "image_size": [64, 80],
        "max_epochs": 6,
        "batches_per_epoch": 4,
        "batch_size": 2,
        "amp": False,
        "phantoms": {"size": [178, 268], "num_masked": [6, 3], "num_graded": [12, 4], "seed": 1},
    },
    "evaluate": {"keys": {"bootstrap_samples": 0}},
    "rows": [{"label": "one expert", "keys": {"num_experts": 1}}, {"label": "two experts"}],
    "seeds": [0],
    "metrics": [
        {"name": "Dice OD", "file": "per_photograph.csv", "column": "OD_dice", "subject": "name"},
        {"name": "score", "file": "history.json", "column": "score"},
    ],
    "control": "one expert",
}


def wait_for(condition, process, seconds=600):
    end = time.monotonic() + seconds
    while time.monotonic() < end and process.poll() is None:
        if condition():
            return
        time.sleep(0.05)
    process.kill()
    raise AssertionError(f"nothing happened; output: {process.communicate()[0][-3000:]}")


def test_kill_9_and_the_same_command_again(home, tmp_path):
    file, out = tmp_path / "experts.json", tmp_path / "out"
    file.write_text(json.dumps(STUDY))
    command = [sys.executable, "-m", "shared", "study", str(file), "--output_dir", str(out), "--jobs", "2"]
    environment = os.environ | {"EYE_BUNDLES_HOME": str(home)}
    study = subprocess.Popen(
        command, cwd=REPOSITORY, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    wait_for(lambda: list(out.glob("*/seed_0/checkpoint.pt")), study)
    study.send_signal(signal.SIGKILL)
    study.wait()
    study.stdout.close()
    begun = list(out.glob("*/seed_0/checkpoint.pt"))
    states = [json.loads(file.read_text()) for file in out.glob("*/seed_0/study_*.json")]
    assert [state["status"] for state in states] == ["started"] * len(states)

    done = run_command(command, home=home, timeout=900, threads=None)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    assert "2 runs, 0 finished before" in done.stdout
    for checkpoint in begun:
        assert "continuing from" in checkpoint.with_name("training.log").read_text()
    for history in out.glob("*/seed_0/history.json"):
        assert [row["epoch"] for row in json.loads(history.read_text())] == [1, 2, 3, 4, 5, 6]
    states = {file: file.read_bytes() for file in out.glob("*/seed_0/study_*.json")}
    assert len(states) == 4
    again = run_command(command, home=home, timeout=300, threads=None)
    assert again.returncode == 0
    assert "2 runs, 2 finished before" in again.stdout
    assert states == {file: file.read_bytes() for file in states}
    with (out / "results.csv").open() as table:
        rows = list(csv.DictReader(table))
    assert [(row["row"], row["metric"]) for row in rows] == [
        ("one expert", "Dice OD"), ("one expert", "score"), ("two experts", "Dice OD"), ("two experts", "score"),
    ]  # fmt: skip
    assert all(row["phantom"] == "True" and row["value"] for row in rows)

    from mlflow import MlflowClient

    client = MlflowClient(f"sqlite:///{home}/runs/mlflow.db")
    (experiment,) = [item for item in client.search_experiments() if item.name == "idrid_moe_mtl"]
    runs = client.search_runs(experiment.experiment_id)
    parent = json.loads((out / "tracking.json").read_text())["run_id"]
    children = [run for run in runs if run.data.tags.get("mlflow.parentRunId") == parent]
    assert len(children) == 4
    assert {run.info.status for run in runs} == {"FINISHED"}


def test_ctrl_c_stops_the_runs_and_says_how_to_go_on(home, tmp_path):
    make_bundle(tmp_path)
    file = write_study(tmp_path, keys={"seconds": 100}, seeds=[0], evaluate=None, metrics=[METRICS[1]])
    command = [sys.executable, "-m", "shared", "study", str(file), "--output_dir", "out", "--jobs", "1"]
    environment = os.environ | {"EYE_BUNDLES_HOME": str(home), "PYTHONPATH": str(REPOSITORY)}
    study = subprocess.Popen(
        command, cwd=tmp_path, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    log = tmp_path / "out" / "plain-half" / "seed_0" / "training.log"
    wait_for(lambda: log.is_file() and "run_id" in log.read_text(), study)
    study.send_signal(signal.SIGINT)
    output = study.communicate(timeout=200)[0]
    assert study.returncode == 130, output[-3000:]
    assert "the same command goes on with" in output.strip().splitlines()[-1]
    assert "Traceback" not in output
    state = json.loads(log.with_name("study_training.json").read_text())
    assert state["status"] == "started"
    with (tmp_path / "out" / "locks" / "plain-half-seed_0.lock").open() as lock:
        assert hold(lock)
