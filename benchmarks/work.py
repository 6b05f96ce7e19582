"""What is measured, and the process that it is measured in."""

from __future__ import annotations

import ctypes
import multiprocessing
import resource
import sys
import time
import traceback
from collections.abc import Callable
from contextlib import suppress
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

MIB = 1024.0


class Work(Protocol):
    """One side of a comparison, built in a process of its own."""

    def once(self) -> None:
        """The unit whose time is taken."""

    def result(self, *, exact: bool) -> dict[str, NDArray]:
        """What it computes, to compare with the other side's; ``exact`` in float32 or
        more, else as it is measured."""

    def facts(self) -> dict[str, Any]:
        """What was counted, such as the experts that ran; JSON types. Runs the unit at least once."""


class Side(NamedTuple):
    """How to build a `Work` in another process: a picklable callable and its keyword arguments."""

    build: Callable[..., Work]
    options: dict[str, Any]


class Host:
    """A process that holds one `Work` and does what it is told.

    Args:
        side: what to build there.
        threads: for PyTorch; 0 leaves its default.
    """

    def __init__(self, side: Side, *, threads: int = 0) -> None:
        context = multiprocessing.get_context("spawn")
        self.pipe, theirs = context.Pipe()
        self.process = context.Process(target=_serve, args=(theirs, side, threads), daemon=True)
        self.process.start()
        theirs.close()

    def ready(self) -> None:
        """Wait until the work is built."""
        self._receive()

    def ask(self, what: str, **options: Any) -> Any:
        """Answer of the other process to ``once`` (seconds), ``result``, ``facts``, ``rest`` (forget the peak so far)
        or ``peak`` (MiB).

        Raises:
            RuntimeError: with its traceback, if it failed.
        """
        self.pipe.send((what, options))
        return self._receive()

    def close(self) -> None:
        """End the process."""
        with suppress(OSError):
            self.pipe.send(("end", {}))
        self.process.join(timeout=30)
        if self.process.is_alive():
            self.process.terminate()
            self.process.join()

    def _receive(self) -> Any:
        try:
            good, answer = self.pipe.recv()
        except EOFError as error:
            self.process.join(timeout=30)
            code = self.process.exitcode
            raise RuntimeError(
                f"the measured process ended with {code} (-9: killed, as for too much memory)"
            ) from error
        if not good:
            raise RuntimeError(answer)
        return answer


def _serve(pipe: Connection, side: Side, threads: int) -> None:
    import torch

    # The table alone goes to the parent's stdout.
    sys.stdout = sys.stderr
    if threads:
        torch.set_num_threads(threads)
    try:
        work = side.build(**side.options)
        pipe.send((True, None))
        while True:
            what, options = pipe.recv()
            if what == "end":
                return
            pipe.send((True, _do(work, what, options)))
    except EOFError:
        return
    except BaseException:
        pipe.send((False, traceback.format_exc()))


def _do(work: Work, what: str, options: dict[str, Any]) -> Any:
    import torch

    cuda = torch.cuda.is_available()
    if what == "once":
        if cuda:
            torch.cuda.synchronize()
        started = time.perf_counter()
        work.once()
        if cuda:
            torch.cuda.synchronize()
        return time.perf_counter() - started
    if what == "rest":
        if cuda:
            torch.cuda.reset_peak_memory_stats()
        forget_peak()
        return None
    if what == "peak":
        return torch.cuda.max_memory_allocated() / MIB**2 if cuda else peak_mib()
    return getattr(work, what)(**options)


def peak_mib() -> float:
    """Largest resident memory of this process so far, MiB: Linux's high-water mark, elsewhere `ru_maxrss`.

    The two are the same number, but the mark can be set back, and does not start with the parent's size.
    """
    status = Path("/proc/self/status")
    if status.is_file():
        for line in status.read_text().splitlines():
            if line.startswith("VmHWM:"):
                return float(line.split()[1]) / MIB
    unit = MIB**2 if sys.platform == "darwin" else MIB
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / unit


def forget_peak() -> None:
    """Give free memory back and set the high-water mark to what is resident now, where the system can."""
    with suppress(OSError, AttributeError):
        ctypes.CDLL("libc.so.6").malloc_trim(0)
    with suppress(OSError):
        Path("/proc/self/clear_refs").write_text("5")


def to_array(value: Any) -> NDArray:
    """A tensor as float32 array."""
    return np.asarray(value.detach().float().cpu())
