"""Fixtures for all tests: the real data where they are, a bundle's scripts on the path, one thread per process."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
os.environ.setdefault("DO_NOT_TRACK", "1")
os.environ.setdefault("MPLBACKEND", "Agg")

import pytest

from shared.workflow.enter import forget_scripts, use_scripts_of

REPOSITORY = Path(__file__).resolve().parents[1]
BUNDLES = REPOSITORY / "bundles"


@pytest.fixture(scope="session")
def real_data() -> Path:
    """Folder with the real data sets; `$EYE_BUNDLES_REAL_DATA`, or `../shared/data` beside the repository."""
    folder = Path(os.environ.get("EYE_BUNDLES_REAL_DATA", REPOSITORY.parent / "shared" / "data"))
    if not folder.is_dir():
        pytest.skip(f"no real data at {folder.name} beside the repository; set EYE_BUNDLES_REAL_DATA")
    return folder


@pytest.fixture(scope="session")
def real_idrid(real_data: Path) -> Path:
    """The real IDRiD folder."""
    folder = real_data / "idrid"
    if not folder.is_dir():
        pytest.skip("the real data hold no idrid folder")
    return folder


@pytest.fixture
def idrid_scripts(monkeypatch: pytest.MonkeyPatch) -> None:
    """`import scripts` means those of `bundles/idrid_moe_mtl`."""
    monkeypatch.setattr(sys, "path", list(sys.path))
    forget_scripts()
    use_scripts_of(str(BUNDLES / "idrid_moe_mtl"))


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty workspace for runs and data, in place of the repository's."""
    folder = tmp_path / "home"
    monkeypatch.setenv("EYE_BUNDLES_HOME", str(folder))
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    return folder


# Long tests that share nothing with others of their file: these start first, on any worker.
SPREAD = ("test_quickstart.py", "test_package.py", "test_documentation.py")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The longest tests first."""
    items.sort(key=lambda item: SPREAD.index(item.path.name) if item.path.name in SPREAD else len(SPREAD))


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """Tests of one file stay on one worker, as they share what their module's fixtures made; but for `SPREAD`."""
    from xdist.scheduler import LoadFileScheduling

    class Scheduling(LoadFileScheduling):
        def _split_scope(self, nodeid: str) -> str:
            file = nodeid.split("::")[0]
            return nodeid if Path(file).name in SPREAD else file

    return Scheduling(config, log)
