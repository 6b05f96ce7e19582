"""One builder at a time for one folder."""

from __future__ import annotations

import contextlib
import fcntl
import shutil
from collections.abc import Iterator
from pathlib import Path


@contextlib.contextmanager
def only_one(folder: Path) -> Iterator[None]:
    """Lets one process at a time build ``folder``; the system releases the lock when the process dies, however."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    with (folder.parent / f".{folder.name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        for left_over in folder.parent.glob(f".{folder.name}.building-*"):
            shutil.rmtree(left_over, ignore_errors=True)
        yield
