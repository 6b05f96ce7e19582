"""Which data a run uses: the given folder, or phantoms."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

PHANTOMS = "phantoms"


def dataset_folder(
    dataset_dir: str, *, workspace: str, phantoms: Mapping[str, Any], ensure_phantoms: Callable[..., Path]
) -> str:
    """The data set's folder; with ``dataset_dir="phantoms"`` drawn on first use.

    Args:
        dataset_dir: a folder in a layout that the bundle reads, or the word "phantoms".
        workspace: phantoms go to its `data/phantoms`.
        phantoms: parameters of the bundle's ``make_phantoms``.
        ensure_phantoms: the bundle's; draws below the given folder unless they are there, and returns theirs.
    """
    if dataset_dir != PHANTOMS:
        return str(Path(dataset_dir).expanduser())
    return str(ensure_phantoms(Path(workspace) / "data" / "phantoms", **phantoms))
