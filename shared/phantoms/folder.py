"""The folder of a phantom data set: named by its parameters, complete or absent, and labelled as drawn."""

from __future__ import annotations

import contextlib
import hashlib
import json
import logging
import shutil
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from shared.errors import DataError
from shared.phantoms.lock import only_one

LABEL_FILE, FACTS_FILE = "PHANTOMS.txt", "phantoms.json"
_logger = logging.getLogger(__name__)


def is_phantom(folder: str | Path) -> bool:
    """Whether ``folder`` holds drawn data rather than real ones."""
    return (Path(folder) / LABEL_FILE).is_file()


def phantom_facts(folder: str | Path) -> dict[str, Any]:
    """What is true of a phantom data set: its ``parameters`` and what its drawing wrote down."""
    facts: dict[str, Any] = json.loads((Path(folder) / FACTS_FILE).read_text())
    return facts


def folder_of(root: str | Path, stem: str, parameters: dict[str, Any]) -> Path:
    """The folder under ``root`` that belongs to these parameters: ``stem`` and a digest of them."""
    digest = hashlib.sha256(json.dumps(parameters, sort_keys=True).encode()).hexdigest()[:8]
    return Path(root) / f"{stem}_{digest}"


def ensure_folder(folder: Path, make: Callable[[Path], object]) -> Path:
    """Has ``folder`` made, unless it is there already. Several processes may call this: one draws, the others wait.

    Args:
        make: called with the folder; should use :func:`build_folder`.

    Raises:
        DataError: if it cannot be written.
    """
    if not is_phantom(folder):
        with _writing(folder), only_one(folder):
            if not is_phantom(folder):
                make(folder)
    _logger.info(f"PHANTOMS: using drawn data, not real ones: {folder}")
    return folder


def build_folder(
    folder: str | Path, fill: Callable[[Path], dict[str, Any]], *, label: str, parameters: dict[str, Any]
) -> Path:
    """Makes a labelled data set in ``folder``, which appears only when it is complete.

    Args:
        fill: writes the data into the (temporary) folder it is given and returns what is true of them.
        label: text that says what the data are not. parameters: what determines the bytes, JSON types.

    Raises:
        DataError: if ``folder`` exists and is not empty, or cannot be written.
    """
    folder = Path(folder).absolute()
    if folder.exists() and any(folder.iterdir()):
        raise DataError(
            f"{folder} exists and is not empty", expected="a new folder for phantoms", fix="choose another folder"
        )
    with _writing(folder):
        folder.parent.mkdir(parents=True, exist_ok=True)
        building = Path(tempfile.mkdtemp(prefix=f".{folder.name}.building-", dir=folder.parent))
        try:
            facts = {"parameters": parameters} | fill(building)
            (building / FACTS_FILE).write_text(json.dumps(facts, indent=1) + "\n")
            (building / LABEL_FILE).write_text(f"{label}\nParameters:\n{json.dumps(parameters)}\n")
            building.chmod(0o755)
            try:
                building.rename(folder)
            except OSError:
                if not is_phantom(folder):
                    raise
        finally:
            shutil.rmtree(building, ignore_errors=True)
    return folder


@contextlib.contextmanager
def _writing(folder: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise DataError(
            f"phantoms cannot be written to {folder}: {error}",
            expected="a folder that can be written and has room",
            fix="free space there, or name another folder for the phantoms, or give real data by --dataset_dir",
        ) from error
