"""This bundle's scripts, and tiny data sets in every source's layout."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from shared.workflow.enter import forget_scripts, use_scripts_of
from tests.support.bundle import REPOSITORY

NAME = "fundus_od_unet"


@pytest.fixture
def fundus_scripts(monkeypatch: pytest.MonkeyPatch) -> None:
    """`import scripts` means those of `bundles/fundus_od_unet`."""
    monkeypatch.setattr(sys, "path", list(sys.path))
    forget_scripts()
    use_scripts_of(str(REPOSITORY / "bundles" / "fundus_od_unet"))


@pytest.fixture
def layouts(tmp_path: Path) -> dict[str, Path]:
    """A data set by source."""
    from tests.support.discs import MAKERS

    for name, make in MAKERS.items():
        make(tmp_path / name)
    return {name: tmp_path / name for name in MAKERS}


@pytest.fixture
def tiny(tiny_of: Callable[..., dict[str, Any]], store: str) -> dict[str, Any]:
    """Overrides of a tiny training run whose files all go to `tmp_path`; runs are recorded in one common store."""
    return tiny_of(NAME) | {"tracking_uri": store}
