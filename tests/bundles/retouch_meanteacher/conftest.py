"""This bundle's scripts, phantoms and overrides of tiny runs, and the Duke scans."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from shared.workflow.enter import forget_scripts, use_scripts_of
from tests.support.bundle import REPOSITORY

NAME = "retouch_meanteacher"


@pytest.fixture
def retouch_scripts(monkeypatch: pytest.MonkeyPatch) -> None:
    """`import scripts` means those of `bundles/retouch_meanteacher`."""
    monkeypatch.setattr(sys, "path", list(sys.path))
    forget_scripts()
    use_scripts_of(str(REPOSITORY / "bundles" / NAME))


@pytest.fixture(scope="session")
def phantom_retouch(phantoms_of: Callable[..., Path]) -> Path:
    """A small phantom data set in the official layout."""
    return phantoms_of(NAME)


@pytest.fixture
def tiny(tiny_of: Callable[..., dict[str, Any]], store: str) -> dict[str, Any]:
    """Overrides of a tiny training run whose files all go to `tmp_path`; runs are recorded in one common store."""
    return tiny_of(NAME) | {"tracking_uri": store}


@pytest.fixture(scope="session")
def real_duke(real_data: Path) -> Path:
    """The Duke scans in RETOUCH's layout."""
    folder = real_data / "duke_dme_as_retouch"
    if not folder.is_dir():
        pytest.skip("the real data hold no duke_dme_as_retouch folder")
    return folder
