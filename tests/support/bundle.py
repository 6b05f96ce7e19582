"""Runs a bundle in this process, as `python -m monai.bundle run` does, or in one of its own."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

REPOSITORY = Path(__file__).resolve().parents[2]


def config_files(bundle: str, *names: str) -> list[str]:
    """Paths of configuration files."""
    return [str(REPOSITORY / "bundles" / bundle / "configs" / f"{name}.json") for name in names]


def workflow(bundle: str, *names: str, workflow_type: str = "train", **overrides: Any) -> Any:
    """A `ConfigWorkflow` of configuration files, not yet initialised."""
    from monai.bundle import ConfigWorkflow

    return ConfigWorkflow(
        config_file=config_files(bundle, *names), workflow_type=workflow_type, logging_file=False, **overrides
    )


def run(bundle: str, *names: str, **overrides: Any) -> Any:
    """Initialise, run and finalise a workflow; returns it."""
    flow = workflow(bundle, *names, **overrides)
    flow.initialize()
    flow.run()
    flow.finalize()
    return flow


def command(run_id: str, bundle: str, *names: str, **overrides: Any) -> list[str]:
    """The command line that does the same."""
    files = [f"bundles/{bundle}/configs/{name}.json" for name in names]
    listed = files[0] if len(files) == 1 else "[" + ",".join(f"'{file}'" for file in files) + "]"
    options = [part for key, value in overrides.items() for part in (f"--{key}", str(value))]
    return [sys.executable, "-m", "monai.bundle", "run", run_id, "--config_file", listed, *options]


def run_command(
    arguments: list[str], *, home: Path, timeout: float = 280, cwd: Path = REPOSITORY, threads: int | None = 1
) -> Any:
    """Run a command from the repository's root with `home` as workspace, output captured."""
    environment = os.environ | {"EYE_BUNDLES_HOME": str(home)} | ({"OMP_NUM_THREADS": str(threads)} if threads else {})
    return subprocess.run(
        arguments, cwd=cwd, env=environment, capture_output=True, text=True, timeout=timeout, check=False
    )
