"""A study on a local Ray instance: runs, a failure among them, an interruption, a lost machine."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from shared.errors import ConfigError
from shared.study.executor import Job
from shared.study.ray_cluster import RayProcesses
from tests.support.bundle import REPOSITORY
from tests.support.study import make_bundle, write_study

ray = pytest.importorskip("ray")
pytestmark = [pytest.mark.e2e, pytest.mark.timeout(300)]


@pytest.fixture(scope="module")
def cluster() -> Iterator[None]:
    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
    ray.init(address="local", num_cpus=2, include_dashboard=False, log_to_driver=False)
    yield
    ray.shutdown()


def job(folder: Path, name: str, code: str, **environment: str) -> Job:
    lock = folder / "locks" / f"{name}.lock"
    return Job(name, [sys.executable, "-c", code], folder / f"{name}.log", lock, environment, lambda: None)


def wait_until(condition: object, seconds: float = 60) -> None:
    end = time.monotonic() + seconds
    while not condition() and time.monotonic() < end:  # type: ignore[operator]
        time.sleep(0.05)
    assert condition()  # type: ignore[operator]


def finish(executor: RayProcesses, count: int) -> dict[str, int]:
    statuses: dict[str, int] = {}

    def done() -> bool:
        statuses.update({item.job.name: item.status for item in executor.poll()})
        return len(statuses) == count

    wait_until(done)
    return statuses


@pytest.mark.usefixtures("cluster")
def test_jobs_run_on_the_cluster_with_their_cores_logs_and_variables(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("EYE_BUNDLES_X", "passed on")
    executor = RayProcesses("auto", jobs=2)
    assert (executor.jobs, executor.cores) == (2, 1)
    code = (
        "import os, sys; print(os.environ['OMP_NUM_THREADS'], os.environ['EYE_BUNDLES_X'], os.getcwd()); sys.exit({})"
    )
    for name, status in (("a", 0), ("b", 3)):
        assert executor.start(job(tmp_path, name, code.format(status)))
    assert executor.free() == 0
    assert finish(executor, 2) == {"a": 0, "b": 3}
    assert (tmp_path / "a.log").read_text() == f"1 passed on {Path.cwd()}\n"
    assert executor.free() == 2
    assert executor.start(job(tmp_path, "c", code.format(0)))
    assert finish(executor, 1) == {"c": 0}


@pytest.mark.usefixtures("cluster")
def test_a_job_that_runs_is_not_started_twice_and_stop_lets_it_save(tmp_path: Path) -> None:
    code = (
        "import signal, sys, time\n"
        "def save(*_): print('saved'); sys.exit(0)\n"
        "signal.signal(signal.SIGTERM, save); print('ready', flush=True); time.sleep(60)"
    )
    executor = RayProcesses("auto", jobs=2)
    assert executor.start(job(tmp_path, "a", code))
    wait_until(lambda: (tmp_path / "a.log").is_file() and "ready" in (tmp_path / "a.log").read_text())
    assert not executor.start(job(tmp_path, "a", code))
    executor.stop()
    assert (tmp_path / "a.log").read_text() == "ready\nsaved\n"
    assert executor.free() == 2


@pytest.mark.usefixtures("cluster")
def test_stop_does_not_wait_for_what_has_no_place_in_the_cluster(tmp_path: Path) -> None:
    others, executor = RayProcesses("auto", jobs=2), RayProcesses("auto", jobs=1)
    for name in ("a", "b"):
        assert others.start(job(tmp_path, name, "import time; print('runs', flush=True); time.sleep(200)"))
    wait_until(lambda: all((tmp_path / f"{name}.log").is_file() for name in ("a", "b")))
    assert executor.start(job(tmp_path, "c", "print('runs')"))
    assert executor.poll() == []
    executor.stop()
    assert executor.free() == 1
    assert not (tmp_path / "c.log").exists()
    others.stop()


@pytest.mark.usefixtures("cluster")
def test_a_lost_worker_is_a_failed_job_that_says_so(tmp_path: Path) -> None:
    executor = RayProcesses("auto", jobs=1)
    code = "import os, time; print(os.getppid(), flush=True); time.sleep(60)"
    assert executor.start(job(tmp_path, "a", code))
    wait_until(lambda: (tmp_path / "a.log").is_file() and (tmp_path / "a.log").read_text().endswith("\n"))
    os.kill(int((tmp_path / "a.log").read_text()), signal.SIGKILL)
    assert finish(executor, 1) == {"a": 1}
    assert "Error" in (tmp_path / "a.log").read_text().splitlines()[1]
    # Linux asks the lost worker's process to end; until it has, nothing else may run there.
    wait_until(lambda: executor.start(job(tmp_path, "a", "pass")))
    assert finish(executor, 1) == {"a": 0}


@pytest.mark.usefixtures("cluster")
def test_more_jobs_than_the_cluster_has_cores_are_refused() -> None:
    with pytest.raises(ConfigError, match="1 to 2, what the Ray cluster"):
        RayProcesses("auto", jobs=3)


def test_a_study_by_one_command_whose_failure_is_named(tmp_path: Path) -> None:
    make_bundle(tmp_path)
    rows = [{"label": "good"}, {"label": "bad", "keys": {"fail": True}}]
    file = write_study(tmp_path, factors={"kind": rows}, control="good", seeds=[0])
    out, home = tmp_path / "out", tmp_path / "home"
    environment = os.environ | {"EYE_BUNDLES_HOME": str(home), "PYTHONPATH": str(REPOSITORY)}
    command = [sys.executable, "-m", "shared", "study", str(file), "--output_dir", str(out), "--ray", "local"]
    done = subprocess.run(
        [*command, "--jobs", "2"], cwd=tmp_path, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 1, done.stderr
    log = out / "bad" / "seed_0" / "training.log"
    assert f"FAILED bad/seed_0 (training): ValueError: seed 0 cannot be trained\n  log: {log}" in done.stderr
    state = json.loads((out / "good" / "seed_0" / "study_evaluation.json").read_text())
    assert state["status"] == "finished"
    assert "Incomplete: 1 of 2 runs" in done.stdout
