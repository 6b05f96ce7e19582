"""The settings that change what a network's weights mean, and whether a run has those of its weights."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from shared.errors import CheckpointError
from shared.report.files import plain
from shared.workflow.invocation import invocation
from shared.workflow.paths import running_workflow
from shared.workflow.values import is_plain, on_command_line

NETWORK = (
    *("backbone", "num_experts", "output_stride", "scoring", "rule", "eval_top_p", "top_k", "norm", "grade_norm"),
    *("sharing", "channels", "mask_relu"),
)
PICTURE = ("crop", "contrast", "fov_diameter", "image_size", "neighbours", "classes", "border")


def model_settings() -> dict[str, Any]:
    """Resolved settings of the running configuration.

    Returns:
        of `NETWORK` those that `network_def` is given, the names of its tasks, and `PICTURE`; empty without a running
        workflow.
    """
    workflow = running_workflow()
    if workflow is None:
        return {}
    config: Any = workflow.parser.config
    network = config.get("network_def")
    arguments = network if isinstance(network, Mapping) else {}
    places = {key: f"network_def#{key}" for key in NETWORK if key in arguments}
    places |= {key: key for key in PICTURE if key in config}
    settings = {key: workflow.parser.get_parsed_content(place) for key, place in places.items()}
    if "tasks" in arguments:
        settings["tasks"] = [task["name"] for task in workflow.parser.get_parsed_content("network_def#tasks")]
    return json.loads(json.dumps(plain(settings)))


def check_settings(
    recorded: Mapping[str, Any], current: Mapping[str, Any], *, source: str, config_files: Sequence[str] = ()
) -> None:
    """Compare the settings that weights were trained with and those of this run.

    `image_size` alone may differ where `fov_diameter` fixes the scale: the canvas grows or shrinks around the eye.

    Args:
        recorded: `model_settings` of the training run.
        current: of this run; keys that only one of them has are not compared.
        source: the weights file.
        config_files: names of the configuration files of the training run.

    Raises:
        CheckpointError: names each key with both values.
    """
    differing = [key for key in recorded if key in current and recorded[key] != current[key]]
    if recorded.get("fov_diameter") is not None and recorded.get("fov_diameter") == current.get("fov_diameter"):
        differing = [key for key in differing if key != "image_size"]
    if not differing:
        return
    call = invocation()
    loaded = ["train.json", *(call.names if call else [])]
    overlays = [name for name in config_files if name not in loaded]
    known = [key for key in differing if is_plain(recorded[key]) or (key in PICTURE and is_words(recorded[key]))]
    keys = [f"--{key} {typed(recorded[key])}" for key in known]
    fixes = [f"add the overlay that it was trained with ({', '.join(overlays)})"] if overlays else []
    fixes += [f"give {' '.join(keys)}"] if keys else []
    fixes += ["give the overlay with its tasks"] if not fixes else []
    raise CheckpointError(
        f"{source} was trained with other settings: "
        + "; ".join(f"{key} {shown(recorded[key])} (here {shown(current[key])})" for key in differing),
        expected="the settings that the weights were trained with; with others the same weights mean something else",
        fix=f"{', or '.join(fixes)}; --settings {{}} compares nothing",
    )


def is_words(value: Any) -> bool:
    """Whether a value is a list of words."""
    return isinstance(value, list) and bool(value) and all(isinstance(word, str) for word in value)


def typed(value: Any) -> str:
    """A value as it is typed in a shell; words are quoted."""
    return f'"{value}"' if is_words(value) else on_command_line(value)


def shown(value: Any) -> str:
    """A value in a message."""
    if is_words(value):
        return " ".join(value)
    return "null" if value is None else str(value)
