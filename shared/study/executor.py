"""Where the processes of a study run. `LocalProcesses` is this machine; a cluster: `shared.study.ray_cluster`."""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import IO, NamedTuple, Protocol

# Loaded here: between fork and exec nothing may be imported or loaded.
LIBC = ctypes.CDLL(None)
PR_SET_PDEATHSIG = 1
STOP_GRACE_S = 60.0


class Job(NamedTuple):
    """A command to run.

    Attributes:
        name: unique among jobs.
        command: program and arguments.
        log: file to which what it prints is appended.
        lock: file that only one living process may hold.
        environment: variables to add.
        prepare: called when it is sure that the job is started, just before.
        folder: where it runs; None: here.
    """

    name: str
    command: Sequence[str]
    log: Path
    lock: Path
    environment: Mapping[str, str]
    prepare: Callable[[], None]
    folder: Path | None = None


class Ended(NamedTuple):
    """A job that is over: its exit status (negative: the signal) and how long it took."""

    job: Job
    status: int
    seconds: float


class Executor(Protocol):
    """Runs jobs, several at once."""

    def free(self) -> int:
        """How many jobs can be started now."""

    def start(self, job: Job) -> bool:
        """Start a job; False where an earlier process of it is still alive, to be tried again."""

    def poll(self) -> list[Ended]:
        """Jobs that ended since the last call; does not wait."""

    def stop(self) -> None:
        """End all jobs: ask, wait, then kill."""


class LocalProcesses:
    """Processes on this machine, each with its share of the cores and, where there are several, its own GPU.

    Each is the head of a session of its own, so Ctrl-C reaches the study alone, which then stops them in good order.
    Should the study be killed, Linux sends them SIGTERM (training saves itself), and a lock that lives as long as the
    process keeps a study that is started at once from running the same job beside it.

    Args:
        jobs: how many at once.
        cores: to be shared; default: those that this process may use.
        gpus: how many GPUs to deal out; 0 leaves the choice to the job.
    """

    def __init__(self, *, jobs: int, cores: int | None = None, gpus: int = 0) -> None:
        self.jobs, self.gpus = jobs, gpus
        self.threads = max(1, (cores or available_cores()) // jobs)
        self._running: dict[int, tuple[Job, subprocess.Popen[bytes], float]] = {}

    def free(self) -> int:
        return self.jobs - len(self._running)

    def start(self, job: Job) -> bool:
        slot = next(slot for slot in range(self.jobs) if slot not in self._running)
        job.lock.parent.mkdir(parents=True, exist_ok=True)
        with job.lock.open("w") as lock:
            if not hold(lock):
                return False
            job.prepare()
            with job.log.open("ab") as log:
                process = subprocess.Popen(
                    job.command,
                    cwd=job.folder,
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=subprocess.STDOUT,
                    env=os.environ | self.environment(slot) | dict(job.environment),
                    start_new_session=True,
                    pass_fds=(lock.fileno(),),
                    preexec_fn=end_with_parent,
                )
        self._running[slot] = (job, process, time.monotonic())
        return True

    def environment(self, slot: int) -> dict[str, str]:
        """Threads and GPU of the job in a slot."""
        threads = dict.fromkeys(("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"), str(self.threads))
        return threads | ({"CUDA_VISIBLE_DEVICES": str(slot % self.gpus)} if self.gpus > 1 else {})

    def poll(self) -> list[Ended]:
        ended = []
        for slot, (job, process, began) in list(self._running.items()):
            if (status := process.poll()) is not None:
                del self._running[slot]
                ended.append(Ended(job, status, time.monotonic() - began))
        return ended

    def stop(self) -> None:
        processes = [process for _, process, _ in self._running.values()]
        for process in processes:
            # The head alone: data-loading workers that die first would make it fail instead of saving.
            with contextlib.suppress(ProcessLookupError):
                process.terminate()
        end = time.monotonic() + STOP_GRACE_S
        try:
            for process in processes:
                with contextlib.suppress(subprocess.TimeoutExpired):
                    process.wait(max(0.0, end - time.monotonic()))
        finally:
            for process in processes:
                with contextlib.suppress(ProcessLookupError, PermissionError):
                    os.killpg(process.pid, signal.SIGKILL)
                process.wait()
            self._running.clear()


def hold(file: IO[str]) -> bool:
    """Lock a file for as long as it, or a copy in a child process, is open; False where another holds it."""
    import fcntl

    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def end_with_parent() -> None:
    """Let Linux send this process SIGTERM when the one that started it dies."""
    with contextlib.suppress(AttributeError, OSError):
        LIBC.prctl(PR_SET_PDEATHSIG, signal.SIGTERM)


def available_cores() -> int:
    """Cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
