"""Refuses keys on the command line that do nothing or have the wrong type: MONAI accepts `--epoch 5` silently."""

from __future__ import annotations

import difflib
import json
import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, cast

from monai.bundle import ConfigParser, ConfigWorkflow

from shared.errors import ConfigError
from shared.workflow.invocation import invocation
from shared.workflow.values import check_value, is_plain

TRACKING_KEYS = {"tracking_uri", "experiment_name", "run_name", "save_execute_config", "is_not_rank0", "_meta_"}
# A configuration file with one of these runs by itself or says what is run; others only change values.
WORKFLOW_KEYS = {"initialize", "run", "finalize"}
# Two keys that people take for each other.
COUNTERPARTS = {"ckpt_path": "resume", "resume": "ckpt_path"}

Config = Mapping[str, Any]


def top_level(key: str) -> str:
    """The first part of a key such as `train#trainer#max_epochs`."""
    return key.lstrip("+").split("#")[0].split("::")[0]


def known_keys(config_folder: Path) -> set[str]:
    """Top-level keys of every configuration file in a folder, plus those that experiment tracking adds."""
    return TRACKING_KEYS.union(*keys_by_file(config_folder).values())


def keys_by_file(config_folder: Path) -> dict[str, set[str]]:
    """Top-level keys of each configuration file in a folder, by the file's name."""
    files = [file for file in sorted(config_folder.glob("*.json")) if file.name != "metadata.json"]
    return {file.name: {top_level(key) for key in json.loads(file.read_text())} for file in files}


def effective_keys(contents: Sequence[Config]) -> set[str]:
    """Top-level keys that can change a run of these configurations.

    All keys of files that say what is run; of overlays (which are appended to `train.json` and `inference.json` alike)
    those that are used.
    """
    bases = [content for content in contents if WORKFLOW_KEYS & content.keys()] or list(contents)
    reached = {top_level(key) for content in bases for key in content}
    texts: dict[str, str] = {}
    for content in contents:
        for key, value in content.items():
            texts[top_level(key)] = texts.get(top_level(key), "") + json.dumps(value)
    waiting = list(reached)
    while waiting:
        used = set(re.findall(r"[@%](\w+)", texts.get(waiting.pop(), ""))) & texts.keys()
        waiting += used - reached
        reached |= used
    return reached


def refuse_unknown_keys(
    keys: Iterable[str],
    *,
    known: set[str],
    elsewhere: Mapping[str, set[str]] | None = None,
    listed: Iterable[str] | None = None,
) -> None:
    """Raise if a key is not known.

    Args:
        keys: top-level keys.
        known: keys that have an effect.
        elsewhere: file name -> its keys, to say where a key does have an effect.
        listed: the keys to show; all known by default.

    Raises:
        ConfigError: names the unknown keys and the nearest known ones.
    """
    unknown = sorted(set(keys) - known)
    if not unknown:
        return
    hints = []
    for key in unknown:
        files = [file for file, content in (elsewhere or {}).items() if key in content]
        near = difflib.get_close_matches(key, known, n=1, cutoff=0.5)
        if COUNTERPARTS.get(key) in known:
            near = [COUNTERPARTS[key]]
        elif files:
            near = []
        hints.append(
            f"--{key}"
            + (f" has no effect in this run (it is a key of {', '.join(files)})" if files else "")
            + (f": did you mean --{near[0]}?" if near else "")
        )
    only_unknown = not any("has no effect" in hint for hint in hints)
    raise ConfigError(
        f"unknown configuration key: {'; '.join(hints)}" if only_unknown else "; ".join(hints),
        expected=f"one of {', '.join(sorted(set(listed or known) - TRACKING_KEYS))}",
        fix="correct or remove the key, or add the configuration file that has it",
    )


def accepted_keys(contents: Sequence[Config]) -> set[str]:
    """What the command line may override in these configurations."""
    return effective_keys(contents) | TRACKING_KEYS


def check_overrides(overrides: Config, contents: Sequence[Config], *, elsewhere: Mapping[str, set[str]]) -> None:
    """Refuse overrides without effect, and values whose type is not that of the file's value.

    Raises:
        ConfigError: names the key.
    """
    values: dict[str, Any] = {}
    for content in contents:
        values |= {key: value for key, value in content.items() if key not in values}
    accepted = accepted_keys(contents)
    listed = {key for key in accepted & values.keys() if is_plain(values[key])}
    refuse_unknown_keys(map(top_level, overrides), known=accepted, elsewhere=elsewhere, listed=listed)
    for key, value in overrides.items():
        if key in values:
            check_value(key, value, sample=values[key])


def check_workflow_keys(workflow: ConfigWorkflow) -> None:
    """Check what the command line gave; of a workflow made by hand, that all keys are some file's.

    Raises:
        ConfigError: for a key without effect or a value of another type.
    """
    folder, call = Path(workflow.config_root_path), invocation()
    if call is None:
        refuse_unknown_keys(cast(dict[str, Any], workflow.parser.config), known=known_keys(folder))
        return
    contents = [ConfigParser.load_config_file(file) for file in call.config_files]
    check_overrides(call.overrides, contents, elsewhere=keys_by_file(folder))
