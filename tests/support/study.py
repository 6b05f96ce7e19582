"""A bundle that trains in no time, and an executor in this process: studies at the size of tests."""

from __future__ import annotations

import contextlib
import json
import os
import time
from pathlib import Path
from typing import Any
from unittest.mock import patch

import fire

from shared.study.executor import Ended, Job
from shared.workflow.errors import root_cause

SCRIPT = """
import csv, json, time
from pathlib import Path


def train(*, output_dir, models_dir, seed, method, fraction, fail, epochs, fold, seconds):
    folder = Path(output_dir)
    if models_dir:
        Path(models_dir).mkdir()
    folder.mkdir(parents=True, exist_ok=True)
    time.sleep(seconds)
    if fail:
        raise ValueError(f"seed {seed} cannot be trained")
    score = {"plain": 0.4, "better": 0.5, "same": 0.4}[method] + 0.2 * fraction + 0.01 * ((seed * 7) % 5)
    rows = [{"epoch": epoch, "score": score * epoch / epochs} for epoch in range(1, epochs + 1)]
    (folder / "history.json").write_text(json.dumps([*rows, {"epoch": epochs + 1, "score": 0.0}]))
    (folder / "model.json").write_text(json.dumps({"epoch": epochs}))
    (folder / "model.pt").write_text(str(score))
    facts = {"bundle": "toy", "phantom": True, "commit": "c0ffee", "date": "2026-01-02", "hardware": {"cores": 2}}
    (folder / "run.json").write_text(json.dumps(facts | {"seed": seed}))
    with (folder / "trained.txt").open("a") as file:
        file.write("x")
    if epochs < 9:
        (folder / "finished.json").write_text("{}")


def evaluate(*, output_dir, ckpt_path, split, seed, fold):
    score = float(Path(ckpt_path).read_text())
    folder = Path(output_dir)
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "per_photograph.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["name", "dice", "error"])
        for eye in range(4):
            offset = 0.03 * eye + 0.004 * ((seed * 3 + eye * 5) % 7)
            writer.writerow([f"fold {fold} eye {eye}", score + offset, 1 - score - offset])
    with (folder / "metrics.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["task", "metric", "value"])
        writer.writerows([["OD", "dice", score], ["OD", "iou", score / 2]])
    (folder / "metrics.json").write_text(json.dumps({"split": split}))
    with (folder / "evaluated.txt").open("a") as file:
        file.write("x")
"""
MEASURED = """
MEASURED = {
    "training": {"history.json": ["epoch", "score"]},
    "evaluation": {"per_photograph.csv": ["name", "dice", "err*"], "metrics.csv": ["task", "metric", "value"]},
}
"""
TRAIN_KEYS = ("output_dir", "models_dir", "seed", "method", "fraction", "fail", "epochs", "fold", "seconds")
TRAIN = {
    "bundle_root": {"_target_": "shared.workflow.bundle_root"},
    "output_dir": "nowhere",
    "models_dir": "models",
    "seed": 0,
    "method": "plain",
    "fraction": 1.0,
    "fail": False,
    "epochs": 3,
    "fold": 0,
    "seconds": 0,
    "initialize": [{"_target_": "shared.workflow.enter_bundle", "bundle_root": "@bundle_root", "seed": "@seed"}],
    "run": [
        {"_target_": "scripts.toy.train"} | {key: f"@{key}" for key in TRAIN_KEYS},
    ],
    "training": "%run",
}
EVALUATE = {
    "ckpt_path": "",
    "split": "test",
    "run": [
        {"_target_": "scripts.toy.evaluate"}
        | {key: f"@{key}" for key in ("output_dir", "ckpt_path", "split", "seed", "fold")}
    ],
    "evaluating": "%run",
}
METRICS = [
    {"name": "Dice", "file": "per_photograph.csv", "column": "dice", "subject": "name"},
    {"name": "score", "file": "history.json", "column": "score"},
]


def make_bundle(root: Path) -> Path:
    """A bundle `toy` in ``root/bundles``, with the overlay `half`."""
    folder = root / "bundles" / "toy"
    for name, content in {"train": TRAIN, "evaluate": EVALUATE, "half": {"fraction": 0.5}, "metadata": {}}.items():
        (folder / "configs").mkdir(parents=True, exist_ok=True)
        (folder / "configs" / f"{name}.json").write_text(json.dumps(content))
    (folder / "scripts").mkdir()
    (folder / "scripts" / "__init__.py").touch()
    (folder / "scripts" / "toy.py").write_text(SCRIPT)
    (folder / "scripts" / "measured.py").write_text(MEASURED)
    return folder


def write_study(root: Path, **changes: Any) -> Path:
    """A study of the toy bundle: two methods and two fractions, two seeds; a change of None removes the key."""
    content: dict[str, Any] = {
        "title": "Toys",
        "bundle": "toy",
        "evaluate": {},
        "factors": {
            "method": [{"label": "plain"}, {"label": "better", "keys": {"method": "better"}}],
            "fraction": [{"label": "half", "overlays": ["half"]}, {"label": "full"}],
        },
        "seeds": [0, 1],
        "metrics": METRICS,
        "control": {"method": "plain"},
        **changes,
    }
    file = root / "studies" / "toys.json"
    file.parent.mkdir(exist_ok=True)
    file.write_text(json.dumps({key: value for key, value in content.items() if value is not None}))
    return file


class InThisProcess:
    """An executor that runs a job when it is started, in this process."""

    def __init__(self, *, stop_after: int | None = None) -> None:
        self.ended: list[Ended] = []
        self.started: list[str] = []
        self.stop_after = stop_after
        self.stopped = False

    def free(self) -> int:
        return 1 - len(self.ended)

    def start(self, job: Job) -> bool:
        if self.stop_after is not None and len(self.started) >= self.stop_after:
            raise KeyboardInterrupt
        from monai.bundle.scripts import run

        self.started.append(f"{job.name} {job.command[4]}")
        job.prepare()
        began, status = time.monotonic(), 0
        with job.log.open("a") as log, contextlib.redirect_stdout(log), _environment(job):
            try:
                fire.Fire(run, command=list(job.command[4:]))
            except Exception as error:
                cause = root_cause(error)
                log.write(f"{type(cause).__name__}: {cause}\n")
                status = 1
        self.ended.append(Ended(job, status, time.monotonic() - began))
        return True

    def poll(self) -> list[Ended]:
        ended, self.ended = self.ended, []
        return ended

    def stop(self) -> None:
        self.stopped = True


def _environment(job: Job) -> Any:
    return patch.dict(os.environ, dict(job.environment))
