"""Studies of a bundle that trains in no time."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from shared.workflow.enter import forget_scripts
from tests.support.study import make_bundle


@pytest.fixture(scope="session")
def store(tmp_path_factory: pytest.TempPathFactory) -> str:
    """One MLflow store for all tests: to make one takes seconds."""
    return f"sqlite:///{tmp_path_factory.mktemp('store') / 'mlflow.db'}"


@pytest.fixture
def toys(tmp_path: Path, home: Path, store: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder with the toy bundle, as current directory."""
    monkeypatch.setattr(sys, "path", list(sys.path))
    monkeypatch.setattr(sys, "excepthook", sys.excepthook)
    forget_scripts()
    monkeypatch.setenv("MLFLOW_TRACKING_URI", store)
    make_bundle(tmp_path)
    monkeypatch.chdir(tmp_path)
    yield tmp_path
    forget_scripts()
