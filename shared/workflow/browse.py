"""Opens the one MLflow store of all runs in a browser's reach."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
from pathlib import Path

import shared
from shared.errors import DataError
from shared.workflow.paths import HOME_VARIABLE
from shared.workflow.ports import check_port, free_port

NO_TELEMETRY = {"MLFLOW_DISABLE_TELEMETRY": "true", "DO_NOT_TRACK": "true"}


def browse(*, port: int = 5000, host: str = "127.0.0.1") -> None:
    """Serve the runs of all bundles at http://HOST:PORT until Ctrl-C.

    The store is `$MLFLOW_TRACKING_URI`, else `runs/mlflow.db` in `$EYE_BUNDLES_HOME` or the repository.

    Args:
        port: of the web page.
        host: which network may see it; the default is this computer alone.

    Raises:
        DataError: nothing has been run yet.
        ConfigError: nothing can listen there, for example because the port is taken.
    """
    store = find_store()
    if store.startswith("http"):
        print(f"the runs are on a server: {store}")
        return
    # `make mlflow PORT=5001` comes here as --port 5001.
    fix = f"choose another one: make mlflow PORT={free_port()}, or python -m shared mlflow --port ..."
    check_port(port, host=host, fix=fix)
    print(
        f"{store}\n  http://{host}:{port}: choose 'Model training' at the top left, then an experiment; Ctrl-C ends it",
        flush=True,
    )
    # One worker: MLflow's four, each of which a busy machine starts slowly, are ended and begun again without end.
    options = {"--backend-store-uri": store, "--host": host, "--port": str(port), "--workers": "1"}
    command = [sys.executable, "-m", "mlflow", "ui", *(word for option in options.items() for word in option)]
    with contextlib.suppress(KeyboardInterrupt):
        subprocess.run(command, env=os.environ | NO_TELEMETRY, check=False)


def find_store() -> str:
    """The store's address.

    Raises:
        DataError: nothing has been run yet.
    """
    given = os.environ.get("MLFLOW_TRACKING_URI", "")
    home = Path(os.environ.get(HOME_VARIABLE) or Path(shared.__file__).parents[1]).expanduser().resolve()
    store = given or f"sqlite:///{home / 'runs' / 'mlflow.db'}"
    file = Path(store.removeprefix("sqlite:///"))
    if store.startswith("sqlite:///") and not file.is_file():
        raise DataError(
            f"no runs yet: there is no {file}",
            expected="the store that the first run makes",
            fix=f"make train; for runs elsewhere, set {HOME_VARIABLE} or MLFLOW_TRACKING_URI as for the run",
        )
    return store
