"""Members of an ensemble from their weights files: each gets the encoder that it was trained with."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from shared.networks.unet import SegmentationUNet

log = logging.getLogger(__name__)


def unet_members(
    checkpoints: Mapping[str, str | Path], *, settings: Mapping[str, Any] | None = None, **arguments: Any
) -> dict[str, dict[str, Any]]:
    """Networks for `SideBySide` or `Ensemble`, from names and weights files.

    What is recorded beside the weights (``student.json``, else ``model.json`` in the same folder) says which encoder
    each has; all other settings must be those of this run, as the same weights would mean something else.

    Args:
        checkpoints: weights files by name of member; several may have different encoders.
        settings: of this run, `shared.workflow.model_settings`.
        arguments: of `SegmentationUNet`; ``backbone`` where none is recorded.

    Returns:
        by name ``{"network": module, "checkpoint": path}``.

    Raises:
        CheckpointError: a file was trained with other settings.
    """
    # Handlers import networks.
    from shared.handlers.load import read_facts
    from shared.workflow.settings import check_settings

    members = {}
    for name, checkpoint in checkpoints.items():
        path = Path(checkpoint)
        facts = read_facts(path) or read_facts(path.with_name("model.pt"))
        recorded = dict(facts.get("settings", {}))
        own = {"backbone": recorded.pop("backbone")} if "backbone" in recorded else {}
        check_settings(recorded, settings or {}, source=str(path), config_files=facts.get("config_files", []))
        members[name] = {"network": SegmentationUNet(**(arguments | own)), "checkpoint": str(path)}
        origin = ", ".join(f"{key} {facts[key]}" for key in ("dataset", "method", "backbone", "epoch") if key in facts)
        log.info("%s: %s (%s)", name, path, origin or "of unknown origin")
        if facts.get("phantom"):
            log.warning("%s was trained on PHANTOMS: what it finds in real scans means nothing", name)
    return members
