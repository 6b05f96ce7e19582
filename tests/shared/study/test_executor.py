"""Processes of a study: their share of the machine, their logs, their lock, and their end."""

import os
import signal
import subprocess
import sys
import time

import pytest

from shared.errors import ConfigError
from shared.study.command import local_executor
from shared.study.executor import Job, LocalProcesses
from shared.study.guard import signals_as_ctrl_c
from shared.study.state import ERROR_LINE
from tests.support.bundle import REPOSITORY


def job(folder, name, code, prepared=lambda: None, **environment):
    lock = folder / "locks" / f"{name}.lock"
    return Job(name, [sys.executable, "-c", code], folder / f"{name}.log", lock, environment, prepared)


def wait_for(executor, count=1, seconds=60):
    ended, end = [], time.monotonic() + seconds
    while len(ended) < count and time.monotonic() < end:
        ended += executor.poll()
        time.sleep(0.02)
    assert len(ended) == count
    return ended


def wait_until(condition, seconds=60):
    end = time.monotonic() + seconds
    while not condition() and time.monotonic() < end:
        time.sleep(0.02)
    assert condition()


def test_jobs_share_cores_and_keep_their_output(tmp_path):
    executor = LocalProcesses(jobs=2, cores=6)
    code = "import os, sys; print(os.environ['OMP_NUM_THREADS'], os.environ['X']); sys.exit(int(os.environ['X']))"
    assert executor.start(job(tmp_path, "a", code, X="0"))
    assert executor.start(job(tmp_path, "b", code, X="3"))
    assert executor.free() == 0
    ended = {item.job.name: item for item in wait_for(executor, 2)}
    assert (ended["a"].status, ended["b"].status) == (0, 3)
    assert ended["a"].seconds > 0
    assert (tmp_path / "b.log").read_text() == "3 3\n"
    assert executor.free() == 2


def test_each_job_has_a_gpu_of_its_own_where_there_are_several():
    assert "CUDA_VISIBLE_DEVICES" not in LocalProcesses(jobs=1, cores=1, gpus=1).environment(0)
    executor = LocalProcesses(jobs=3, cores=2, gpus=2)
    assert executor.threads == 1
    assert [executor.environment(slot)["CUDA_VISIBLE_DEVICES"] for slot in range(3)] == ["0", "1", "0"]


def test_a_job_whose_process_is_alive_is_not_started_again(tmp_path):
    executor, other = LocalProcesses(jobs=2, cores=2), LocalProcesses(jobs=1, cores=1)
    prepared = []
    assert executor.start(job(tmp_path, "a", "import time; time.sleep(60)"))
    assert not other.start(job(tmp_path, "a", "pass", lambda: prepared.append(1)))
    assert not prepared
    executor.stop()
    assert other.start(job(tmp_path, "a", "pass", lambda: prepared.append(1)))
    assert prepared
    wait_for(other)


def test_stop_asks_first_and_a_job_can_save(tmp_path):
    executor = LocalProcesses(jobs=1, cores=1)
    code = (
        "import signal, sys, time\n"
        "def save(*_): print('saved'); sys.exit(0)\n"
        "signal.signal(signal.SIGTERM, save); print('ready', flush=True); time.sleep(60)"
    )
    executor.start(job(tmp_path, "a", code))
    wait_until(lambda: "ready" in (tmp_path / "a.log").read_text())
    executor.stop()
    assert (tmp_path / "a.log").read_text() == "ready\nsaved\n"
    assert executor.free() == 1


def test_a_job_that_does_not_listen_is_killed_with_its_children(tmp_path, monkeypatch):
    monkeypatch.setattr("shared.study.executor.STOP_GRACE_S", 0.3)
    executor = LocalProcesses(jobs=1, cores=1)
    code = (
        "import signal, subprocess, sys, time\n"
        "signal.signal(signal.SIGTERM, signal.SIG_IGN)\n"
        "child = subprocess.Popen(['sleep', '60']); print(child.pid, flush=True); time.sleep(60)"
    )
    executor.start(job(tmp_path, "a", code))
    wait_until(lambda: (tmp_path / "a.log").read_text().endswith("\n"))
    child = int((tmp_path / "a.log").read_text())
    executor.stop()
    wait_until(lambda: not is_running(child))


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="Linux tells a process that its parent died")
def test_jobs_end_when_the_study_is_killed(tmp_path):
    code = (
        "import sys, time; from pathlib import Path; from shared.study.executor import Job, LocalProcesses\n"
        f"folder = Path({str(tmp_path)!r}); child = 'import os, time; print(os.getpid(), flush=True); time.sleep(60)'\n"
        "job = Job('a', [sys.executable, '-c', child], folder / 'a.log', folder / 'a.lock', {}, lambda: None)\n"
        "LocalProcesses(jobs=1, cores=1).start(job)\n"
        "print('started', flush=True); time.sleep(60)"
    )
    study = subprocess.Popen([sys.executable, "-c", code], cwd=REPOSITORY, stdout=subprocess.PIPE, text=True)
    assert study.stdout.readline() == "started\n"
    wait_until(lambda: (tmp_path / "a.log").read_text().endswith("\n"))
    child = int((tmp_path / "a.log").read_text())
    assert is_running(child)
    study.kill()
    study.wait()
    study.stdout.close()
    wait_until(lambda: not is_running(child))


def is_running(pid):
    try:
        os.kill(pid, 0)
        with open(f"/proc/{pid}/stat") as stat:
            return stat.read().rsplit(")", 1)[1].split()[0] != "Z"
    except (ProcessLookupError, FileNotFoundError):
        return False


@pytest.mark.parametrize("jobs", [-1, 10_000, "two", True])
def test_more_jobs_than_cores_are_refused(jobs):
    with pytest.raises(ConfigError, match="--jobs is"):
        local_executor(jobs)


def test_a_signal_to_the_group_is_not_shared(tmp_path):
    """Ctrl-C in a terminal goes to the foreground group; the jobs are in sessions of their own."""
    executor = LocalProcesses(jobs=1, cores=1)
    executor.start(job(tmp_path, "a", "import os; print(os.getsid(0) == os.getpid())"))
    assert wait_for(executor)[0].status == 0
    assert (tmp_path / "a.log").read_text() == "True\n"


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
@pytest.mark.parametrize("before", [signal.SIG_DFL, signal.SIG_IGN])
def test_signals_interrupt_like_ctrl_c(number, before, request):
    was = signal.signal(number, before)
    request.addfinalizer(lambda: signal.signal(number, was))
    with pytest.raises(KeyboardInterrupt), signals_as_ctrl_c():
        signal.raise_signal(number)
    assert signal.getsignal(number) == before


def test_what_counts_as_the_line_of_an_error():
    assert ERROR_LINE.match("DataError: /data holds no IDRiD")
    assert ERROR_LINE.match("torch.OutOfMemoryError: CUDA out of memory")
    assert not ERROR_LINE.match("  what to do: give another folder")
