"""Bundle root, workspace, run names and the MLflow address."""

from pathlib import Path

import pytest

from shared.errors import DataError
from shared.workflow import paths


def test_workspace_is_the_repository_of_a_bundle(tmp_path, monkeypatch):
    monkeypatch.delenv("EYE_BUNDLES_HOME", raising=False)
    inside = tmp_path / "repo" / "bundles" / "a_bundle"
    assert Path(paths.workspace(bundle_root=str(inside))) == (tmp_path / "repo").resolve()


def test_workspace_of_a_bundle_alone_is_the_bundle_and_the_variable_wins(tmp_path, monkeypatch):
    monkeypatch.delenv("EYE_BUNDLES_HOME", raising=False)
    assert Path(paths.workspace(bundle_root=str(tmp_path / "alone"))) == (tmp_path / "alone").resolve()
    monkeypatch.setenv("EYE_BUNDLES_HOME", str(tmp_path / "home"))
    assert Path(paths.workspace(bundle_root=str(tmp_path / "alone"))) == (tmp_path / "home").resolve()


def test_run_names_differ_within_a_second():
    assert len({paths.new_run_name() for _ in range(50)}) > 45


def test_tracking_uri_is_absolute_sqlite_unless_the_environment_says_otherwise(tmp_path, monkeypatch):
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    assert paths.tracking_uri(workspace=str(tmp_path)) == f"sqlite:///{tmp_path}/runs/mlflow.db"
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:5000")
    assert paths.tracking_uri(workspace=str(tmp_path)) == "http://127.0.0.1:5000"


def test_without_a_workflow_the_root_is_the_current_directory(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert Path(paths.bundle_root()).resolve() == tmp_path.resolve()


def test_a_workspace_that_cannot_be_written_names_the_variable(tmp_path, monkeypatch):
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    (tmp_path / "taken").write_text("")
    with pytest.raises(DataError, match="EYE_BUNDLES_HOME"):
        paths.tracking_uri(workspace=str(tmp_path / "taken"))
