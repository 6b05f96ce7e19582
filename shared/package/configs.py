"""The configurations of a packaged bundle say what its weights were trained with, so that no overlay need be given.

`monai.bundle.load` copies what fits from weights into the network of the configuration, and says nothing of the rest.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from monai.bundle import ConfigParser
from monai.bundle.utils import merge_kv

from shared.errors import CheckpointError
from shared.handlers.load import load_weights, read_facts, read_tensors
from shared.package.contents import Weights

WITH_NETWORK = ("train.json", "inference.json")
# Go on top of train.json for other reasons than what the network is.
NOT_FOR_WEIGHTS = ("evaluate.json", "federated.json", "label.json", "multi_gpu_train.json")


def trained_configs(root: Path, weights: Weights) -> dict[str, bytes]:
    """Those configurations that build the network, with the overlays and keys that the weights were trained with.

    Returns:
        the files' contents by name within `configs/`; none where nothing is recorded beside the weights.

    Raises:
        CheckpointError: the weights do not fit the network that these configurations describe.
    """
    facts = read_facts(weights.model)
    state = read_tensors(weights.model)
    contents = {}
    for name in WITH_NETWORK:
        config = merged(root / "configs", name, facts)
        network = ConfigParser(config).get_parsed_content("network_def")
        hint = "package the weights with the bundle that has trained them; keep model.json beside them"
        load_weights(network, state, source=weights.model, hint=hint)
        contents[name] = (json.dumps(config, indent=2, ensure_ascii=False) + "\n").encode()
    return contents if facts else {}


def merged(folder: Path, name: str, facts: Mapping[str, Any]) -> dict[str, Any]:
    """A configuration file, the recorded overlays as far as they concern it, and the recorded settings.

    Raises:
        CheckpointError: an overlay that is not there any more.
    """
    base = ConfigParser.load_config_file(folder / name)
    known = set(base)
    parser = ConfigParser(config=base)
    overlays = [file for file in facts.get("config_files", []) if file not in (*WITH_NETWORK, *NOT_FOR_WEIGHTS)]
    for overlay in overlays:
        if not (folder / overlay).is_file():
            raise CheckpointError(
                f"the weights were trained with the overlay {overlay}, which is not in {folder}",
                expected="the configuration files that are recorded beside the weights",
                fix="restore the file, or train again",
            )
        for key, value in ConfigParser.load_config_file(folder / overlay).items():
            if name == "train.json" or key.lstrip("+").split("#")[0].split("::")[0] in known:
                merge_kv(parser, key, value)
    config: dict[str, Any] = parser.get()
    settings = facts.get("settings", {})
    config.update({key: value for key, value in settings.items() if key in config and key != "tasks"})
    return config
