"""What was run: configuration, command, commit, versions, seed and machine, kept with every run."""

from __future__ import annotations

import functools
import importlib.metadata
import itertools
import json
import logging
import os
import platform
import shlex
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, cast

import torch

import shared
from shared.report.files import plain, write_json
from shared.workflow.invocation import invocation
from shared.workflow.paths import running_workflow
from shared.workflow.processes import is_main_process
from shared.workflow.values import is_expression, is_plain

log = logging.getLogger(__name__)

PACKAGES = ("monai", "torch", "pytorch-ignite", "numpy", "scikit-image", "mlflow")
WHERE = {"output_dir", "models_dir", "workspace", "bundle_root", "cache_dir", "tracking_uri", "experiment_name"}
MAY_CHANGE = WHERE | {"max_epochs", "num_workers", "device", "val_interval", "run_name", "resume", "_meta_"}
IN_CHECKPOINT = {"learning_rate", "backbone_factor", "weight_decay", "optimizer", "lr_scheduler"}
LONGEST = 60


def commit_of(folder: str | Path) -> str:
    """Git commit of the source tree that holds a folder, with `-dirty` for uncommitted changes; "unknown" outside."""
    try:
        command = ["git", "-C", str(folder), "describe", "--always", "--dirty", "--abbrev=12", "--exclude=*"]
        return subprocess.run(command, capture_output=True, text=True, check=True, timeout=20).stdout.strip()
    except (OSError, subprocess.SubprocessError):
        return "unknown"


@functools.cache
def own_commit() -> str:
    """`commit_of` this project when the process first asked: what it has imported, not what is edited meanwhile."""
    return commit_of(Path(shared.__file__).parent)


@functools.cache
def versions() -> dict[str, str]:
    """Of `PACKAGES`; reading them takes a network's time for a small photograph."""
    return {name: importlib.metadata.version(name) for name in PACKAGES}


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
        JSON content: bundle, commit, versions, hardware, date, command and, where known, the names of the configuration
        files, beside what was given.
    """
    call = invocation()
    device = torch.cuda.get_device_name() if torch.cuda.is_available() else platform.processor() or platform.machine()
    return {
        "bundle": Path(bundle_root).name,
        "seed": seed,
        "commit": own_commit(),
        "package_version": shared.__version__,
        "versions": versions() | {"python": platform.python_version()},
        "hardware": {"device": device, "cores": os.cpu_count()},
        "date": time.strftime("%Y-%m-%dT%H:%M:%S%z"),
        "command": shlex.join([Path(sys.argv[0]).name, *sys.argv[1:]]),
        **({"config_files": call.names} if call else {}),
        "tasks": [task["name"] for task in tasks],
        **more,
    }


def record_run(*, output_dir: str, provenance: Mapping[str, Any]) -> None:
    """Write `run.json` and the executed configuration `config.json` into the run's folder.

    A run that goes on keeps its first pair; the present one is written as `run-2.json` and `config-2.json` (3, ...),
    and what differs from the first configuration is logged.

    Args:
        output_dir: the run's folder, made if absent.
        provenance: content of `run.json`; the run's name is added.

    Raises:
        DataError: the folder cannot be written, before any work is done.
    """
    if not is_main_process():
        return
    log.info("run folder: %s", output_dir)
    folder, workflow = Path(output_dir), running_workflow()
    config: dict[str, Any] = cast(dict[str, Any], workflow.parser.config) if workflow is not None else {}
    number = 1
    if goes_on(folder, config) and (folder / "run.json").is_file():
        number = next(n for n in itertools.count(2) if not (folder / f"run-{n}.json").exists())
        warn_of_changes(folder / "config.json", config)
    ending = "" if number == 1 else f"-{number}"
    name = {"run_name": workflow.parser.get_parsed_content("run_name")} if workflow and "run_name" in config else {}
    if config:
        write_json(folder / f"config{ending}.json", config)
    write_json(folder / f"run{ending}.json", dict(provenance) | name)


def goes_on(folder: Path, config: Mapping[str, Any]) -> bool:
    """Whether a run into this folder continues the one that lies there."""
    return (folder / "checkpoint.pt").is_file() and config.get("resume") != "never"


def warn_of_changes(first: Path, config: Mapping[str, Any]) -> None:
    """Log every key whose value differs from the configuration that a run started with."""
    if not first.is_file():
        return
    before, now = json.loads(first.read_text()), json.loads(json.dumps(plain(config)))
    differing = [key for key in before.keys() | now.keys() if before.get(key) != now.get(key)]
    for key in sorted(set(differing) - MAY_CHANGE):
        values = [shown(content.get(key)) for content in (before, now)]
        kept = "; the checkpoint's stays in effect" if key in IN_CHECKPOINT else ""
        log.warning("this run was started with another %s: %s, now %s%s", key, *values, kept)


def shown(value: Any) -> str:
    """A value in one short line."""
    text = json.dumps(value)
    return text if len(text) <= LONGEST else f"{text[:LONGEST]}..."


def hyperparameters() -> dict[str, Any]:
    """The running configuration's top-level values that are plain when resolved: numbers, words, lists of numbers."""
    workflow = running_workflow()
    if workflow is None:
        return {}
    config: Any = workflow.parser.config
    found = {key: value for key, value in config.items() if is_plain(value) and not is_expression(value)}
    for key in sorted(key for key, value in config.items() if is_expression(value)):
        value = workflow.parser.get_parsed_content(key)
        if is_plain(value) or isinstance(value, torch.device):
            found[key] = str(value) if isinstance(value, torch.device) else value
    return found
