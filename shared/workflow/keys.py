"""Refuses configuration keys that no file of the bundle knows: MONAI accepts a mistyped `--epoch 5` silently."""

from __future__ import annotations

import difflib
import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any, cast

from monai.bundle import ConfigWorkflow

from shared.errors import ConfigError

TRACKING_KEYS = {"tracking_uri", "experiment_name", "run_name", "save_execute_config", "is_not_rank0", "_meta_"}


def known_keys(config_folder: Path) -> set[str]:
    """Top-level keys of every configuration file in a folder, plus those that experiment tracking adds."""
    keys = set(TRACKING_KEYS)
    for file in sorted(config_folder.glob("*.json")):
        if file.name != "metadata.json":
            keys |= {key.lstrip("+").split("#")[0].split("::")[0] for key in json.loads(file.read_text())}
    return keys


def refuse_unknown_keys(keys: Iterable[str], *, known: set[str]) -> None:
    """Raise for the first key that is not known.

    Args:
        keys: top-level keys of the executed configuration.
        known: keys that exist.

    Raises:
        ConfigError: names the unknown keys and the nearest known ones.
    """
    unknown = sorted(set(keys) - known)
    if not unknown:
        return
    nearest = {key: difflib.get_close_matches(key, known, n=1, cutoff=0.5) for key in unknown}
    hints = [f"--{key}: did you mean --{near[0]}?" if near else f"--{key}" for key, near in nearest.items()]
    raise ConfigError(
        f"unknown configuration key: {'; '.join(hints)}",
        expected=f"one of {', '.join(sorted(known - TRACKING_KEYS))}",
        fix="correct the name, or add the key to a file in the bundle's configs/ folder",
    )


def check_workflow_keys(workflow: ConfigWorkflow) -> None:
    """Apply `refuse_unknown_keys` to a workflow's own configuration folder."""
    refuse_unknown_keys(cast(dict[str, Any], workflow.parser.config), known=known_keys(Path(workflow.config_root_path)))
