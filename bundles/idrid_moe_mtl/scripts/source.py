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
        dataset_dir: a folder in IDRiD's layout, or the word "phantoms".
        workspace: phantoms go to its `data/phantoms`.
        phantoms: parameters of `scripts.phantoms.make_phantoms`.
    """
    if dataset_dir != PHANTOMS:
        return str(Path(dataset_dir).expanduser())
    return str(ensure_phantoms(Path(workspace) / "data" / "phantoms", **phantoms))


def photographs(dataset_dir: str, *, workspace: str, phantoms: Mapping[str, Any]) -> str:
    """What inference reads: the given file or folder; with ``dataset_dir="phantoms"`` their part-A test photographs."""
    folder = dataset_folder(dataset_dir, workspace=workspace, phantoms=phantoms)
    if dataset_dir != PHANTOMS:
        return folder
    return str(Path(folder) / "A. Segmentation" / "1. Original Images" / "b. Testing Set")
