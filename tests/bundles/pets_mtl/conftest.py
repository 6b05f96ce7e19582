"""This bundle's scripts, phantoms, and the real images of three breeds."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from shared.workflow.enter import forget_scripts, use_scripts_of
from tests.support.bundle import REPOSITORY

NAME = "pets_mtl"
BUNDLE = REPOSITORY / "bundles" / NAME


@pytest.fixture
def pets_scripts(monkeypatch: pytest.MonkeyPatch) -> None:
    """`import scripts` means those of `bundles/pets_mtl`."""
    monkeypatch.setattr(sys, "path", list(sys.path))
    forget_scripts()
    use_scripts_of(str(BUNDLE))


@pytest.fixture(scope="session")
def phantom_pets(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small phantom data set: 72 animals, 6 breeds, every oddity."""
    path = list(sys.path)
    forget_scripts()
    use_scripts_of(str(BUNDLE))
    from scripts.phantoms import make_phantoms

    folder = make_phantoms(tmp_path_factory.mktemp("pets") / "phantoms", number=72, size=96, workers=1, progress=False)
    forget_scripts()
    sys.path[:] = path
    return folder


@pytest.fixture
def pets(phantom_pets: Path, tmp_path: Path) -> Path:
    """A copy that a test may break."""
    return Path(shutil.copytree(phantom_pets, tmp_path / "pets"))


@pytest.fixture(scope="session")
def real_pets(real_data: Path) -> Path:
    """240 real images of three breeds."""
    folder = real_data / "oxford_pets_3breeds"
    if not folder.is_dir():
        pytest.skip("the real data hold no oxford_pets_3breeds folder")
    return folder


@pytest.fixture
def tiny(tiny_of: Callable[..., dict[str, Any]], store: str) -> dict[str, Any]:
    """Overrides of a tiny training run whose files all go to `tmp_path`; runs are recorded in one common store."""
    return tiny_of(NAME) | {"tracking_uri": store}
