"""Which data a run uses: the given folder, or phantoms."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from scripts.phantoms import ensure_phantoms

PHANTOMS = "phantoms"


def dataset_folder(dataset_dir: str, *, workspace: str, phantoms: Mapping[str, Any]) -> str:
    """The data set's folder; with ``dataset_dir="phantoms"`` drawn on first use.

    Args:
        dataset_dir: a folder in a layout of `scripts.sources.SOURCES`, or the word "phantoms".
        workspace: phantoms go to its `data/phantoms`.
        phantoms: parameters of `scripts.phantoms.make_phantoms`.
    """
    if dataset_dir != PHANTOMS:
        return str(Path(dataset_dir).expanduser())
    return str(ensure_phantoms(Path(workspace) / "data" / "phantoms", **phantoms))
