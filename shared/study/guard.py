"""One process per study, and signals that end it in good order."""

from __future__ import annotations

import contextlib
import signal
from collections.abc import Iterator
from pathlib import Path
from types import FrameType

from shared.errors import DataError
from shared.study.executor import hold


@contextlib.contextmanager
def only_study(folder: Path) -> Iterator[None]:
    """Let one process at a time work on a study's folder.

    Raises:
        DataError: another is at it.
    """
    with (folder / ".lock").open("w") as lock:
        if not hold(lock):
            raise DataError(
                f"another process runs the study in {folder}",
                expected="one at a time",
                fix="wait for it, or give another --output_dir",
            )
        yield


@contextlib.contextmanager
def signals_as_ctrl_c() -> Iterator[None]:
    """Let SIGTERM interrupt as Ctrl-C does, and SIGINT even in a background job, which a shell starts ignoring it."""

    def interrupt(number: int, frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    previous = {number: signal.signal(number, interrupt) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)
