"""A bundle's trained network: built from inference.json with the overlays and settings of its weights."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from monai.bundle import ConfigParser
from torch import nn

from shared.choices import check_choice
from shared.errors import ConfigError
from shared.handlers.load import load_weights, read_facts, read_tensors
from shared.networks.mixture import DISPATCHES
from shared.package.configs import merged
from shared.package.contents import bundle_root_of, find_weights
from shared.workflow.enter import use_scripts_of

INFERENCE = "inference.json"


class Trained:
    """The configuration, weights and record of a trained bundle.

    Args:
        bundle: its folder.
        ckpt_path: the weights; default: the bundle's ``models/model.pt``. What is recorded beside them (``model.json``)
            names overlays and settings.

    Attributes:
        root, ckpt_path: folder and file. config: `inference.json` as trained. facts: what is recorded beside the
        weights. metadata: the bundle's.

    Raises:
        ConfigError: no bundle.
        CheckpointError: no weights.
    """

    def __init__(self, bundle: str | Path, *, ckpt_path: str = "") -> None:
        self.root = bundle_root_of(str(bundle))
        self.ckpt_path = find_weights(self.root, ckpt_path).model
        self.facts = read_facts(self.ckpt_path)
        self.metadata: dict[str, Any] = json.loads((self.root / "configs" / "metadata.json").read_text())
        self.config = merged(self.root / "configs", INFERENCE, self.facts)
        self.config |= {"bundle_root": str(self.root), "ckpt_path": str(self.ckpt_path), "device": "cpu"}

    @property
    def dispatch(self) -> str | None:
        """How inference.json runs the experts; None for a network without a choice."""
        return self.config.get("dispatch")

    def resolved(self, key: str, **values: Any) -> Any:
        """A key's value, with top-level keys replaced; ``scripts`` are this bundle's."""
        use_scripts_of(str(self.root))
        return ConfigParser(self.config | values).get_parsed_content(key)

    def network(self, *, dispatch: str | None = None) -> nn.Module:
        """The network with its weights, in evaluation mode on the CPU.

        Args:
            dispatch: ``"dense"`` or ``"sparse"`` instead of the configured one.

        Raises:
            ConfigError: another word, or the network has no such choice.
            CheckpointError: the weights do not fit.
        """
        values = {}
        if dispatch:
            check_choice("dispatch", dispatch, DISPATCHES)
            if self.dispatch is None:
                raise ConfigError(
                    f"dispatch is {dispatch!r}, and the network of {self.root.name} has no experts to dispatch",
                    expected="no --dispatch",
                    fix="leave --dispatch out",
                )
            values["dispatch"] = dispatch
        network: nn.Module = self.resolved("network_def", **values)
        load_weights(network, read_tensors(self.ckpt_path), source=self.ckpt_path)
        return network.eval()

    @property
    def in_channels(self) -> int:
        """Channels of the network's image: its own argument where it has one, else the metadata's."""
        if "in_channels" in self.config["network_def"]:
            return int(self.resolved("network_def#in_channels"))
        return int(self.metadata["network_data_format"]["inputs"]["image"]["num_channels"])

    def image_size(self, given: Any = None) -> tuple[int, int]:
        """Rows and columns of the bundle's images, or those given.

        Raises:
            ConfigError: not two positive numbers.
        """
        size = self.resolved("image_size") if given is None else given
        if not isinstance(size, (list, tuple)) or len(size) != 2 or not all(type(n) is int and n > 0 for n in size):
            raise ConfigError(
                f"--image_size is {given!r}",
                expected="rows and columns",
                fix="for example --image_size '[512,512]'",
            )
        return size[0], size[1]
