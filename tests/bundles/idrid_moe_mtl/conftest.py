"""Phantoms and hyper-parameters small enough to train in seconds."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest
import torch

from shared.workflow.enter import use_scripts_of
from tests.support.bundle import REPOSITORY

NAME = "idrid_moe_mtl"
TINY: dict[str, Any] = {
    "image_size": [64, 80],
    "backbone": "resnet18",
    "num_experts": 2,
    "max_epochs": 2,
    "batches_per_epoch": 4,
    "batch_size": 3,
    "accumulation_steps": 2,
    "num_workers": 0,
    "amp": False,
    "device": "cpu",
}


@pytest.fixture(scope="session")
def phantom_idrid(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small phantom data set in the official layout."""
    path = list(sys.path)
    use_scripts_of(str(REPOSITORY / "bundles" / NAME))
    try:
        from scripts.phantoms import make_phantoms

        folder = tmp_path_factory.mktemp("phantoms") / "idrid"
        return make_phantoms(
            folder, size=(178, 268), num_masked=(8, 4), num_graded=(16, 8), seed=3, workers=1, progress=False
        )
    finally:
        sys.path[:] = path


@pytest.fixture
def tiny(phantom_idrid: Path, tmp_path: Path, home: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """Overrides of a tiny training run whose files all go to `tmp_path`."""
    monkeypatch.setattr(sys, "path", list(sys.path))
    torch.set_num_threads(1)
    folders = {"output_dir": str(tmp_path / "run"), "models_dir": str(tmp_path / "models")}
    return TINY | folders | {"dataset_dir": str(phantom_idrid)}
