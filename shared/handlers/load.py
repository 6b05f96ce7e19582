"""Weights from a file into a network: tensors only, strictly, with an error that says what differs."""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from ignite.engine import Engine, Events

from shared.errors import CheckpointError
from shared.workflow.settings import check_settings

log = logging.getLogger(__name__)

DESCRIBED = ("bundle", "dataset", "backbone", "num_experts", "image_size", "tasks")


class LoadModel:
    """Loads `model.pt` into the network when an evaluation or inference starts, and says whose weights they are.

    Args:
        path: a plain state dict as `SaveBestModel` writes it.
        network: to load into.
        settings: of this run, `shared.workflow.model_settings`; compared with those recorded beside the weights.
    """

    def __init__(
        self, *, path: str | Path, network: torch.nn.Module, settings: Mapping[str, Any] | None = None
    ) -> None:
        self.path, self.network, self.settings = Path(path), network, dict(settings or {})

    def attach(self, engine: Engine) -> None:
        """Load at the start."""
        engine.add_event_handler(Events.STARTED, self.load)

    def load(self, engine: Engine | None = None) -> None:
        """Load now.

        Raises:
            CheckpointError: no such file, unreadable, of another architecture, or trained with other settings.
        """
        if not self.path.is_file():
            raise no_weights(self.path)
        facts = read_facts(self.path)
        described = ", ".join(f"{key} {facts[key]}" for key in DESCRIBED if key in facts)
        hint = f"the weights were trained with {described}: give the same overlays or keys" if described else ""
        state = read_tensors(self.path)
        recorded = facts.get("settings", {})
        check_settings(recorded, self.settings, source=str(self.path), config_files=facts.get("config_files", []))
        load_weights(self.network, state, source=self.path, hint=hint)
        if self.settings and not recorded:
            log.warning("%s: nothing is known of the settings it was trained with, so none was compared", self.path)
        log.info("weights: %s (%s)", self.path, described or "of unknown origin")
        if facts.get("phantom"):
            log.warning("these weights were trained on PHANTOMS: what they find in real photographs means nothing")


def model_files(*, ckpt_path: str | Path, checkpoints: Mapping[str, str | Path] | None = None) -> dict[str, str]:
    """Weights files to evaluate side by side, by name.

    Args:
        ckpt_path: a run's ``model.pt``.
        checkpoints: files by name; by default ``teacher.pt`` and ``student.pt`` beside ``ckpt_path``, the deployed one
            first, or ``ckpt_path`` alone where there are no such files.

    Raises:
        CheckpointError: a file that does not exist.
    """
    path = Path(ckpt_path)
    files = {name: Path(file) for name, file in (checkpoints or {}).items()}
    if not files:
        pair = {name: path.with_name(f"{name}.pt") for name in ("teacher", "student")}
        deployed = read_facts(path).get("deploy", "teacher")
        whole = path.name == "model.pt" and all(file.is_file() for file in pair.values())
        files = dict(sorted(pair.items(), key=lambda item: item[0] != deployed)) if whole else {path.stem: path}
    for file in files.values():
        if not file.is_file():
            raise no_weights(file)
    return {name: str(file) for name, file in files.items()}


def no_weights(path: Path) -> CheckpointError:
    """The error for a weights file that does not exist."""
    return CheckpointError(
        f"no weights at {path}",
        expected="a model.pt that training has written",
        fix="train first (make train), or give the weights with --ckpt_path /path/to/model.pt",
    )


def model_provenance(*, path: str | Path) -> dict[str, Any]:
    """What a result says about the weights it was made with: their file, and what is recorded about them."""
    facts = read_facts(path)
    kept = ("bundle", "commit", "date", "dataset", "phantom", "epoch", "selected_by", "score")
    return {"checkpoint": str(path)} | {key: facts[key] for key in kept if key in facts}


def read_facts(path: str | Path) -> dict[str, Any]:
    """What is recorded about a weights file in the `.json` beside it; empty if nothing is."""
    file = Path(path).with_suffix(".json")
    return json.loads(file.read_text()) if file.is_file() else {}


def read_tensors(path: str | Path) -> dict[str, Any]:
    """Read a file of tensors and primitives.

    Raises:
        CheckpointError: the file is absent, damaged, or a pickle with code.
    """
    path = Path(path)
    if not path.is_file():
        raise CheckpointError(
            f"no checkpoint at {path}", expected="a file written by training", fix="train first, or correct the path"
        )
    try:
        return torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:
        raise CheckpointError(
            f"{path} cannot be read: {str(error).splitlines()[0]}",
            expected="a PyTorch file of tensors (loaded with weights_only=True; files with code are refused)",
            fix="give another file; a damaged one cannot be repaired",
        ) from error


def load_weights(network: torch.nn.Module, state: Mapping[str, Any], *, source: str | Path, hint: str = "") -> None:
    """Load a state dict strictly.

    Raises:
        CheckpointError: names the keys and shapes that differ; the network is left unchanged.
    """
    own = network.state_dict()
    if not isinstance(state, Mapping) or not all(isinstance(value, torch.Tensor) for value in state.values()):
        raise CheckpointError(
            f"{source} holds no plain state dict", expected="parameter name -> tensor", fix="give a run's model.pt"
        )
    missing, unexpected = sorted(own.keys() - state.keys()), sorted(state.keys() - own.keys())
    shapes = [
        f"{key}: {tuple(state[key].shape)} in the file, {tuple(own[key].shape)} in the network"
        for key in own.keys() & state.keys()
        if own[key].shape != state[key].shape
    ]
    if missing or unexpected or shapes:
        parts = (("missing", missing), ("unexpected", unexpected), ("shapes", sorted(shapes)))
        differences = "; ".join(f"{len(items)} {kind}, e.g. {', '.join(items[:3])}" for kind, items in parts if items)
        raise CheckpointError(
            f"{source} is a checkpoint of another architecture: {differences}",
            expected="weights of the configured network",
            fix=hint or "give the configuration (overlays, backbone, num_experts, tasks) that it was trained with",
        )
    network.load_state_dict(state)
