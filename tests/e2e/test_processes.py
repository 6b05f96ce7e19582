"""The overlays for several processes under torchrun itself: as commands, after a killed worker, with a rank that fails.

That two ranks do what one process does is in `test_ranks.py`, for every bundle.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from shared.errors import ConfigError
from tests.support.bundle import REPOSITORY, command, run, run_command, workflow
from tests.support.errors import fails_with
from tests.support.tiny import BUNDLES, TINY, draw

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(900)]

LAUNCHER = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc_per_node=2"]
BUNDLE = "pets_mtl"


def small(bundle: str, **more: Any) -> dict[str, Any]:
    """As on the command line."""
    own = {"batches_per_epoch": 3, "batch_size": 2, "phantoms": TINY[bundle].phantoms}
    return {key: value for key, value in (TINY[bundle].keys | own | more).items() if key != "device"}


def torchrun(arguments: list[str], *options: str) -> list[str]:
    """The command that starts a command's module in two processes."""
    return [*LAUNCHER, *options, *arguments[1:]]


def test_evaluation_and_inference_by_their_commands(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "path", list(sys.path))
    data, model = draw(BUNDLE, tmp_path / "data"), tmp_path / "run" / "model.pt"
    keys = TINY[BUNDLE].keys | {"dataset_dir": str(data), "output_dir": str(model.parent), "models_dir": ""}
    run(BUNDLE, "train", **keys)
    given = {key: value for key, value in keys.items() if key in ("image_size", "channels", "num_workers", "amp")}
    for run_id, names, result in (
        ("evaluating", ("train", "evaluate", "multi_gpu_evaluate"), "per_photograph.csv"),
        ("inference", ("inference", "multi_gpu_inference"), "summary.csv"),
    ):
        own = {"output_dir": tmp_path / run_id, "dataset_dir": data, "ckpt_path": model}
        done = run_command(torchrun(command(run_id, BUNDLE, *names, **(given | own))), home=home, timeout=400)
        assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
        assert (tmp_path / run_id / result).is_file()
        assert len(re.findall(rf"{tmp_path}/{run_id}/metrics.json|photographs read", done.stdout)) == 1


class Job:
    """A training by torchrun in the background, with a folder and a log of its own."""

    def __init__(self, folder: Path, home: Path, *options: str, **keys: Any) -> None:
        self.folder, self.log = folder, folder.with_suffix(".log")
        own = {"output_dir": folder, "models_dir": folder / "models", "max_epochs": 3, "batches_per_epoch": 8}
        arguments = command("training", BUNDLE, "train", "multi_gpu_train", **small(BUNDLE, **(own | keys)))
        environment = os.environ | {"EYE_BUNDLES_HOME": str(home), "OMP_NUM_THREADS": "1"}
        self.process = subprocess.Popen(
            torchrun(arguments, *options),
            cwd=REPOSITORY,
            env=environment,
            stdout=self.log.open("w"),
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )

    def workers(self) -> list[int]:
        """Process identifiers, in the order in which they were started."""
        file = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children")
        return [int(number) for number in file.read_text().split()]

    def wait(self, seconds: float = 400) -> int:
        return self.process.wait(timeout=seconds)

    def end(self) -> None:
        """Leave no process behind."""
        workers = self.workers() if self.process.poll() is None else []
        for number in (*workers, self.process.pid):
            with contextlib.suppress(ProcessLookupError):
                os.kill(number, signal.SIGKILL)
        self.process.wait()


def test_a_killed_workers_job_goes_on_from_its_last_checkpoint(home: Path, tmp_path: Path) -> None:
    whole = Job(tmp_path / "whole", home)
    try:
        assert whole.wait() == 0, whole.log.read_text()[-3000:]
        assert len(re.findall(r"^best model", whole.log.read_text(), flags=re.M)) == 1
    finally:
        whole.end()
    job = Job(tmp_path / "killed", home, "--max-restarts=1")
    try:
        checkpoint, end = job.folder / "checkpoint.pt", time.monotonic() + 300
        while not checkpoint.is_file():
            assert job.process.poll() is None, job.log.read_text()[-3000:]
            assert time.monotonic() < end
            time.sleep(0.05)
        os.kill(job.workers()[1], signal.SIGKILL)
        assert job.wait() == 0, job.log.read_text()[-3000:]
    finally:
        job.end()
    printed = job.log.read_text()
    assert "continuing from" in printed
    assert (job.folder / "run-2.json").is_file()
    rows, expected = (json.loads((folder / "history.json").read_text()) for folder in (job.folder, whole.folder))
    assert len(rows) == 3
    assert rows == expected


def test_an_error_of_one_rank_ends_the_job_and_is_named(home: Path, tmp_path: Path) -> None:
    failing = "{'_target_':'tests.support.rank_runs.FailingInferer'}"
    job = Job(tmp_path / "failing", home, **{"train#inferer": failing})
    try:
        assert job.wait() != 0
    finally:
        job.end()
    printed = job.log.read_text()
    assert "DataError: the third batch of rank 1" in printed
    assert "best model" not in printed


@pytest.mark.parametrize("overlay", ["multi_gpu_train", "multi_gpu_evaluate", "multi_gpu_inference"])
@pytest.mark.parametrize("bundle", BUNDLES)
def test_without_torchrun_the_error_names_it(
    bundle: str, overlay: str, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("LOCAL_RANK", raising=False)
    names = {"multi_gpu_train": ["train"], "multi_gpu_evaluate": ["train", "evaluate"]}.get(overlay, ["inference"])
    monkeypatch.setattr(sys, "path", list(sys.path))
    with fails_with(ConfigError, "torchrun --standalone"):
        workflow(bundle, *names, overlay).initialize()
