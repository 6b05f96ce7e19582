"""Phantoms of every bundle, drawn once, and overrides of tiny runs on them."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from tests.support.tiny import TINY, draw


@pytest.fixture(scope="session")
def phantoms_of(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Path]:
    """Name of a bundle -> its small phantom data set (for an overlay that needs others: these)."""
    drawn: dict[tuple[str, str], Path] = {}

    def of(bundle: str, overlay: str = "") -> Path:
        kind = overlay if overlay == "duke" else ""
        if (bundle, kind) not in drawn:
            drawn[bundle, kind] = draw(bundle, tmp_path_factory.mktemp("phantoms") / bundle, overlay=kind)
        return drawn[bundle, kind]

    return of


@pytest.fixture
def tiny_of(
    phantoms_of: Callable[..., Path], tmp_path: Path, home: Path, monkeypatch: pytest.MonkeyPatch
) -> Callable[..., dict[str, Any]]:
    """Name of a bundle, and of an overlay -> overrides of a tiny training run whose files all go to `tmp_path`."""
    monkeypatch.setattr(sys, "path", list(sys.path))
    torch.set_num_threads(1)
    folders = {"output_dir": str(tmp_path / "run"), "models_dir": str(tmp_path / "models")}
    return lambda bundle, overlay="": TINY[bundle].keys | folders | {"dataset_dir": str(phantoms_of(bundle, overlay))}


@pytest.fixture(scope="session")
def store(tmp_path_factory: pytest.TempPathFactory) -> str:
    """One MLflow store for many runs: making one takes seconds."""
    return f"sqlite:///{tmp_path_factory.mktemp('store')}/mlflow.db"
