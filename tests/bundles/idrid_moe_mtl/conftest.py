"""Phantoms and overrides of tiny runs of this bundle."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

NAME = "idrid_moe_mtl"


@pytest.fixture(scope="session")
def phantom_idrid(phantoms_of: Callable[..., Path]) -> Path:
    """A small phantom data set in the official layout."""
    return phantoms_of(NAME)


@pytest.fixture
def tiny(tiny_of: Callable[..., dict[str, Any]]) -> dict[str, Any]:
    """Overrides of a tiny training run whose files all go to `tmp_path`."""
    return tiny_of(NAME)
