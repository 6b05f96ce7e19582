"""What inference reads: the given images, those of a data set, or phantoms."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from scripts.phantoms import ensure_phantoms
from shared.phantoms import dataset_folder


def images(dataset_dir: str, *, workspace: str, phantoms: Mapping[str, Any]) -> str:
    """What inference reads: the given file or folder; of a data set in the official layout, or phantoms, its images."""
    folder = Path(dataset_folder(dataset_dir, workspace=workspace, phantoms=phantoms, ensure_phantoms=ensure_phantoms))
    official = (folder / "annotations").is_dir() and (folder / "images").is_dir()
    return str(folder / "images" if official else folder)
