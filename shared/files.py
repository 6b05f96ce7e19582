"""Writes that either happen completely or leave what was there: temporary file, flush, rename."""

from __future__ import annotations

import hashlib
import os
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import IO, Any

import torch

from shared.errors import DataError

WRITABLE = "a folder that can be written, on a disk with space left; what was there before is untouched"
ELSEWHERE = "free space, or write elsewhere: --output_dir for a run's files, the variable EYE_BUNDLES_HOME for all"


def atomic_write(path: str | Path, write: Callable[[IO[bytes]], object], *, fix: str = ELSEWHERE) -> Path:
    """Replace a file's content in one step.

    Args:
        path: the file; its folder is made if absent.
        write: called with a binary file to fill.
        fix: what the user can do where it cannot be written, naming the key.

    Returns:
        the path.

    Raises:
        DataError: the disk is full or read-only; the old file is untouched.
    """
    path = Path(path)
    temporary = None
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=path.parent, prefix=f".{path.name}.", delete=False) as file:
            temporary = Path(file.name)
            write(file)
            file.flush()
            os.fsync(file.fileno())
        umask = os.umask(0)
        os.umask(umask)
        temporary.chmod(0o666 & ~umask)
        temporary.replace(path)
    except BaseException as error:
        if temporary is not None:
            temporary.unlink(missing_ok=True)
        # PyTorch's zip writer raises a RuntimeError of its own while it handles the full disk's OSError.
        system = system_error(error)
        if system is not None:
            raise DataError(f"cannot write {path}: {system}", expected=WRITABLE, fix=fix) from error
        raise
    return path


def system_error(error: BaseException) -> OSError | None:
    """The operating system's own error, also where another was raised while it was handled."""
    while not isinstance(error, OSError):
        if error.__context__ is None:
            return None
        error = error.__context__
    return error


def check_writable(folder: str | Path, *, fix: str = ELSEWHERE) -> None:
    """Make a folder and try to write in it.

    Raises:
        DataError: it cannot be written.
    """
    try:
        Path(folder).mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        raise DataError(f"cannot write into {folder}: {error}", expected=WRITABLE, fix=fix) from error


def sha256_of(path: Path) -> str:
    """A file's SHA-256, hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def write_text(path: str | Path, text: str) -> Path:
    """Atomically write UTF-8 text."""
    return atomic_write(path, lambda file: file.write(text.encode()))


def save_tensors(path: str | Path, content: Any) -> Path:
    """Atomically write what `torch.load(weights_only=True)` can read: tensors, containers, primitives."""
    return atomic_write(path, lambda file: torch.save(content, file))
