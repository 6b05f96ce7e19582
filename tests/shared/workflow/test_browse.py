"""Which store `make mlflow` shows."""

import pytest

from shared.errors import DataError
from shared.workflow.browse import find_store


def test_no_runs_yet_says_make_train(home, monkeypatch):
    with pytest.raises(DataError, match="make train"):
        find_store()
    (home / "runs").mkdir(parents=True)
    (home / "runs" / "mlflow.db").touch()
    assert find_store() == f"sqlite:///{home.resolve()}/runs/mlflow.db"
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:5001")
    assert find_store() == "http://127.0.0.1:5001"
