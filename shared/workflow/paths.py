"""Where a bundle lies and where its data and runs go, found from the running workflow.

`"bundle_root": "."` would follow the current directory; a root found from the configuration file works from anywhere.
"""

from __future__ import annotations

import contextlib
import inspect
import json
import os
from pathlib import Path
from typing import Any

from monai.bundle import ConfigWorkflow

import shared
from shared.files import check_writable
from shared.workflow.processes import common_stamp, new_stamp

HOME_VARIABLE = "EYE_BUNDLES_HOME"


def running_workflow() -> ConfigWorkflow | None:
    """The `ConfigWorkflow` whose configuration is being resolved by a caller of this function, if any."""
    frame = inspect.currentframe()
    while frame is not None:
        owner: Any = frame.f_locals.get("self")
        if isinstance(owner, ConfigWorkflow):
            return owner
        frame = frame.f_back
    return None


def bundle_root() -> str:
    """Absolute path of the bundle whose configuration is being resolved.

    Returns:
        the folder above `configs/`; without a running workflow (a bare `ConfigParser`) the current directory.
    """
    workflow = running_workflow()
    if workflow is None:
        return str(Path.cwd())
    folder = Path(workflow.config_root_path).resolve()
    return str(folder.parent if folder.name == "configs" else folder)


def workspace(*, bundle_root: str) -> str:
    """Folder that holds `runs/` (results, MLflow store) and `data/` (phantoms).

    Args:
        bundle_root: the bundle's folder.

    Returns:
        `$EYE_BUNDLES_HOME` if set; the repository for a bundle in its `bundles/` folder; else the bundle itself.
    """
    root = Path(bundle_root).resolve()
    return str(home_folder(otherwise=root.parents[1] if root.parent.name == "bundles" else root))


def home_folder(*, otherwise: Path | None = None) -> Path:
    """`$EYE_BUNDLES_HOME` if set, else the given folder, else the one that holds the package `shared`."""
    home = os.environ.get(HOME_VARIABLE)
    return Path(home).expanduser().resolve() if home else otherwise or Path(shared.__file__).resolve().parents[1]


def new_run_name() -> str:
    """A name for one run: date, time and four random hexadecimal digits, so that two runs never share it.

    A training run that goes on in its folder (`--output_dir`) keeps its name. Ranks that work together have one name.
    """
    workflow = running_workflow()
    config: Any = workflow.parser.config if workflow is not None else {}
    folder = Path(str(config.get("output_dir", "")))
    if config.get("resume", "never") != "never" and (folder / "checkpoint.pt").is_file():
        with contextlib.suppress(OSError, KeyError, ValueError):
            return str(json.loads((folder / "run.json").read_text())["run_name"])
    return common_stamp() or new_stamp()


def tracking_uri(*, workspace: str) -> str:
    """Address of the one MLflow store of all bundles: `$MLFLOW_TRACKING_URI`, else SQLite in `runs/`.

    Raises:
        DataError: the workspace cannot be written.
    """
    if os.environ.get("MLFLOW_TRACKING_URI"):
        return os.environ["MLFLOW_TRACKING_URI"]
    folder = Path(workspace) / "runs"
    check_writable(folder, fix=f"make it writable, or name another workspace with the variable {HOME_VARIABLE}")
    return f"sqlite:///{folder / 'mlflow.db'}"
