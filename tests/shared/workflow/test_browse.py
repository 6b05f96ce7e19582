"""Which store `make mlflow` shows, and where."""

import socket
import subprocess
import sys

import pytest

from shared.__main__ import main
from shared.errors import DataError
from shared.workflow.browse import browse, find_store
from shared.workflow.ports import free_port


def test_no_runs_yet_says_make_train(home, monkeypatch):
    with pytest.raises(DataError, match="make train"):
        find_store()
    (home / "runs").mkdir(parents=True)
    (home / "runs" / "mlflow.db").touch()
    assert find_store() == f"sqlite:///{home.resolve()}/runs/mlflow.db"
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:5001")
    assert find_store() == "http://127.0.0.1:5001"


@pytest.fixture
def store(home):
    (home / "runs").mkdir(parents=True)
    (home / "runs" / "mlflow.db").touch()
    return f"sqlite:///{home.resolve()}/runs/mlflow.db"


def test_the_real_page_is_started_on_that_store(store, monkeypatch, capsys):
    started = []
    monkeypatch.setattr(subprocess, "run", lambda command, **how: started.append((command, how["env"])))
    port = free_port()
    browse(port=port)
    ((command, environment),) = started
    assert command[:4] == [sys.executable, "-m", "mlflow", "ui"]
    assert dict(zip(command[4::2], command[5::2], strict=True)) == {
        "--backend-store-uri": store,
        "--host": "127.0.0.1",
        "--port": str(port),
        "--workers": "1",
    }
    assert environment["MLFLOW_DISABLE_TELEMETRY"] == "true"
    assert f"http://127.0.0.1:{port}" in capsys.readouterr().out


def test_a_taken_port_is_named_before_anything_is_started(store, monkeypatch, capsys):
    monkeypatch.setattr(subprocess, "run", None)
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        with pytest.raises(SystemExit) as ended:
            main(["mlflow", "--port", str(port)])
    assert ended.value.code == 2
    said = capsys.readouterr().err
    assert f"port {port} of 127.0.0.1 is taken" in said
    assert "make mlflow PORT=" in said
