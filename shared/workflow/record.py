"""What was run: configuration, command, commit, versions, seed and machine, kept with every run."""

from __future__ import annotations

import importlib.metadata
import os
import platform
import shlex
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch

import shared
from shared.report.files import write_json
from shared.workflow.paths import running_workflow
from shared.workflow.processes import is_main_process

PACKAGES = ("monai", "torch", "pytorch-ignite", "numpy", "scikit-image", "mlflow")


def commit_of(folder: str | Path) -> str:
    """Git commit of the source tree that holds a folder, with `-dirty` for uncommitted changes; "unknown" outside."""
    try:
        command = ["git", "-C", str(folder), "describe", "--always", "--dirty", "--abbrev=12", "--exclude=*"]
        return subprocess.run(command, capture_output=True, text=True, check=True, timeout=20).stdout.strip()
    except (OSError, subprocess.SubprocessError):
        return "unknown"


def provenance(
    *, bundle_root: str, seed: int | None = None, tasks: Sequence[Mapping[str, Any]] = (), **more: Any
) -> dict[str, Any]:
    """Where a result comes from.

    Args:
        bundle_root: the bundle's folder, for its name and commit.
        seed: of the run.
        tasks: the task list; its names are recorded.
        more: further facts, e.g. the data set's name.

    Returns:
        JSON content: bundle, commit, versions, hardware, date and command beside what was given.
    """
    versions = {name: importlib.metadata.version(name) for name in PACKAGES}
    device = torch.cuda.get_device_name() if torch.cuda.is_available() else platform.processor() or platform.machine()
    return {
        "bundle": Path(bundle_root).name,
        "seed": seed,
        "commit": commit_of(Path(shared.__file__).parent),
        "package_version": shared.__version__,
        "versions": versions | {"python": platform.python_version()},
        "hardware": {"device": device, "cores": os.cpu_count()},
        "date": time.strftime("%Y-%m-%dT%H:%M:%S%z"),
        "command": shlex.join([Path(sys.argv[0]).name, *sys.argv[1:]]),
        "tasks": [task["name"] for task in tasks],
        **more,
    }


def record_run(*, output_dir: str, provenance: Mapping[str, Any]) -> None:
    """Write `run.json` and the executed configuration `config.json` into the run's folder.

    Args:
        output_dir: the run's folder, made if absent.
        provenance: content of `run.json`.

    Raises:
        DataError: the folder cannot be written, before any work is done.
    """
    if not is_main_process():
        return
    write_json(Path(output_dir) / "run.json", dict(provenance))
    workflow = running_workflow()
    if workflow is not None:
        write_json(Path(output_dir) / "config.json", workflow.parser.config)


def hyperparameters() -> dict[str, Any]:
    """The running configuration's top-level values that are plain: numbers, words, and lists of them."""
    workflow = running_workflow()
    if workflow is None:
        return {}
    config: Any = workflow.parser.config
    plain = {key: value for key, value in config.items() if is_plain(value) and not str(value).startswith("%")}
    expressions = {key for key, value in plain.items() if isinstance(value, str) and value.startswith(("$", "@"))}
    return plain | {key: workflow.parser.get_parsed_content(key) for key in sorted(expressions)}


def is_plain(value: Any) -> bool:
    """Whether a configuration value is a number, a word, or a list of such."""
    if isinstance(value, list):
        return all(isinstance(item, (bool, int, float)) for item in value)
    return isinstance(value, (bool, int, float, str))
