"""The processes of a study on a Ray cluster (ray.io, Apache-2.0)."""

from __future__ import annotations

import os
import socket
import time
from pathlib import Path
from typing import Any

from shared.errors import ConfigError
from shared.study.executor import STOP_GRACE_S, Ended, Job, LocalProcesses, hold

PASSED_ON = ("EYE_BUNDLES_", "MLFLOW_")
ANSWER_S = 60.0
CONNECT_S = 10.0


class RayProcesses:
    """Processes on the machines of a Ray cluster, each under an actor that runs it as `LocalProcesses` would there.

    Repository, Python, data and the study's folder have the same paths on all machines (a shared file system), and so
    does the MLflow store, unless ``MLFLOW_TRACKING_URI`` names a server. Variables that begin with `PASSED_ON` are
    passed on. If the study is killed, Ray ends its actors, and Linux sends their processes SIGTERM.

    Args:
        address: ``"auto"``, ``"HOST:PORT"``, ``"ray://HOST:PORT"``, or ``"local"`` for an instance on this machine.
        jobs: how many at once; 0: one per GPU of the cluster, or one per core where there is none.

    Raises:
        ConfigError: Ray is not installed, no cluster answers, or it has fewer cores than ``jobs``.
    """

    def __init__(self, address: str, *, jobs: int = 0) -> None:
        self.ray = connect(address)
        total = self.ray.cluster_resources()
        cores, gpus = int(total.get("CPU", 0)), int(total.get("GPU", 0))
        if isinstance(jobs, bool) or not isinstance(jobs, int) or not 0 <= jobs <= max(cores, gpus):
            raise ConfigError(
                f"--jobs is {jobs!r}",
                expected=f"1 to {max(cores, gpus)}, what the Ray cluster at {address} has",
                fix="correct the number, or add machines",
            )
        self.jobs = jobs or gpus or cores
        largest = max(int(node["Resources"].get("CPU", 0)) for node in self.ray.nodes() if node["Alive"])
        self.cores = max(1, min(cores // self.jobs, largest))
        self._make = self.ray.remote(num_cpus=self.cores, num_gpus=1 if gpus >= self.jobs else 0)(LocalProcesses)
        self._idle: list[Any] = []
        self._running: list[tuple[Job, Any, float]] = []

    def free(self) -> int:
        return self.jobs - len(self._running)

    def start(self, job: Job) -> bool:
        job.lock.parent.mkdir(parents=True, exist_ok=True)
        with job.lock.open("w") as lock:
            if not hold(lock):
                return False
        job.prepare()
        actor = self._idle.pop() if self._idle else self._make.remote(jobs=1, cores=self.cores)
        passed_on = {name: value for name, value in os.environ.items() if name.startswith(PASSED_ON)}
        environment = passed_on | dict(job.environment)
        there = job._replace(prepare=_nothing, environment=environment, folder=Path.cwd())
        self._running.append((job, (actor, actor.start.remote(there)), time.monotonic()))
        return True

    def poll(self) -> list[Ended]:
        ended = []
        for entry in list(self._running):
            job, (actor, started), began = entry
            status = self._status(job, actor, started)
            if status is not None:
                self._running.remove(entry)
                ended.append(Ended(job, status, time.monotonic() - began))
        return ended

    def stop(self) -> None:
        # An actor that still waits for a place in the cluster would never answer.
        placed = [actor for _, (actor, started), _ in self._running if self.ray.wait([started], timeout=0)[0]]
        for done in [actor.stop.remote() for actor in placed]:
            self._quietly(done)
        for _, (actor, _), _ in self._running:
            self.ray.kill(actor)
        self._running.clear()

    def _status(self, job: Job, actor: Any, started: Any) -> int | None:
        """The exit status of a job; None while it waits or runs. An actor that is lost is said in the job's log."""
        from ray.exceptions import RayError

        try:
            if not self.ray.wait([started], timeout=0)[0]:
                return None
            if not self.ray.get(started):
                raise BlockingIOError(f"{job.lock} is held by another process")
            found = self.ray.get(actor.poll.remote(), timeout=ANSWER_S)
        except (RayError, OSError) as error:
            reason = str(error).strip().splitlines() or [""]
            with job.log.open("a") as log:
                log.write(f"{type(error).__name__}: {reason[0]}\n")
            return 1
        if not found:
            return None
        self._idle.append(actor)
        return int(found[0].status)

    def _quietly(self, done: Any) -> None:
        from ray.exceptions import RayError

        try:
            self.ray.get(done, timeout=STOP_GRACE_S + ANSWER_S)
        except RayError:
            return


def connect(address: str) -> Any:
    """The module `ray`, connected, with its telemetry switched off.

    Raises:
        ConfigError: Ray is not installed, or no cluster answers.
    """
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    check_reachable(address)
    try:
        import ray
    except ImportError as error:
        raise ConfigError(
            f"--ray {address} needs Ray, which is not installed ({error})",
            expected="the extra `ray`",
            fix="pip install 'monai-eye-bundles[ray]'",
        ) from error
    if not ray.is_initialized():
        try:
            ray.init(address=address, include_dashboard=False if address == "local" else None, log_to_driver=False)
        except (ConnectionError, ValueError, RuntimeError, AssertionError) as error:
            lines = str(error).strip().splitlines() or [type(error).__name__]
            raise _no_cluster(address, lines[0]) from error
    return ray


def check_reachable(address: str) -> None:
    """Raise `ConfigError` unless something listens at HOST:PORT: Ray itself would try for minutes, and say nothing."""
    host, _, port = address.removeprefix("ray://").partition(":")
    if not port:
        return
    try:
        socket.create_connection((host, int(port)), timeout=CONNECT_S).close()
    except (OSError, ValueError, OverflowError) as error:
        raise _no_cluster(address, str(error)) from error


def _no_cluster(address: str, reason: str) -> ConfigError:
    return ConfigError(
        f"--ray {address}: {reason}",
        expected="a running cluster: auto, HOST:PORT or ray://HOST:PORT; or local",
        fix="start one with `ray start --head`, or leave --ray out",
    )


def _nothing() -> None:
    """What has been prepared already."""
