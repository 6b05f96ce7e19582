"""What inference reads: the given photographs, or phantoms."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from scripts.phantoms import ensure_phantoms
from shared.phantoms import PHANTOMS, dataset_folder


def photographs(dataset_dir: str, *, workspace: str, phantoms: Mapping[str, Any]) -> str:
    """What inference reads: the given file or folder; with ``dataset_dir="phantoms"`` their part-A test photographs."""
    folder = dataset_folder(dataset_dir, workspace=workspace, phantoms=phantoms, ensure_phantoms=ensure_phantoms)
    if dataset_dir != PHANTOMS:
        return folder
    return str(Path(folder) / "A. Segmentation" / "1. Original Images" / "b. Testing Set")
