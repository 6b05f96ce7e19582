"""`scripts` always means the bundle that was entered last."""

import importlib
import sys

import pytest

from shared.workflow.enter import use_scripts_of


@pytest.fixture
def two_bundles(tmp_path, monkeypatch):
    for name in ("first", "second"):
        (tmp_path / name / "scripts").mkdir(parents=True)
        (tmp_path / name / "scripts" / "__init__.py").write_text("")
        (tmp_path / name / "scripts" / "who.py").write_text(f"NAME = {name!r}\n")
        (tmp_path / name / "configs").mkdir()
        (tmp_path / name / "configs" / "metadata.json").write_text("{}")
    monkeypatch.setattr(sys, "path", list(sys.path))
    before = {name: module for name, module in sys.modules.items() if name.split(".")[0] == "scripts"}
    yield tmp_path
    for name in [name for name in sys.modules if name.split(".")[0] == "scripts"]:
        del sys.modules[name]
    sys.modules.update(before)


def test_two_bundles_in_one_process(two_bundles):
    for name in ("first", "second", "first"):
        use_scripts_of(str(two_bundles / name))
        assert name == importlib.import_module("scripts.who").NAME


def test_entering_twice_keeps_loaded_modules(two_bundles):
    use_scripts_of(str(two_bundles / "first"))
    module = importlib.import_module("scripts.who")
    use_scripts_of(str(two_bundles / "first"))
    assert importlib.import_module("scripts.who") is module
