"""How every doctor begins: whose data these are, and whether the reader takes them at all."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from shared.doctor.diagnosis import Diagnosis
from shared.doctor.finding import ERROR, NOTE
from shared.errors import DataError
from shared.phantoms import is_phantom

REFUSED = "the reader refuses the data set"
Found = TypeVar("Found")


def begin(dataset_dir: str | Path, *, quick: bool, drawn: str) -> Diagnosis:
    """A diagnosis without findings, but for the note that the data are phantoms.

    Args:
        drawn: what is drawn there, such as ``"photographs"``.
    """
    root = Path(dataset_dir)
    diagnosis = Diagnosis(str(root), quick=quick, phantom=is_phantom(root))
    if diagnosis.phantom:
        diagnosis.add(NOTE, "phantom data", f"these {drawn} are drawn, not real")
    return diagnosis


def ask_the_reader(read: Callable[[], Found], diagnosis: Diagnosis) -> Found | None:
    """What the reader gives; None, and an error in the diagnosis, where it refuses or the folder cannot be read."""
    try:
        return read()
    except DataError as error:
        diagnosis.add(ERROR, REFUSED, f"{error.received}\nexpected: {error.expected}", fix=error.fix)
    except OSError as error:
        diagnosis.add(ERROR, "folder that cannot be read", str(error), fix="give yourself the right to read it")
    return None
