"""What an exported file says of itself: what goes in, what comes out and what it means."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

from torch import Tensor

from shared.export.outputs import IMAGE, PRED
from shared.export.trained import Trained
from shared.files import sha256_of
from shared.handlers.finish_multitask import read_thresholds
from shared.handlers.load import model_provenance

NORMALISATION = ("NormalizeIntensityd", "ScaleIntensityRanged")
SETTINGS = ("backbone", "rule", "eval_top_p", "top_k", "scoring", "num_experts", "sharing", "image_size")
BOX_EDGES = ["left", "top", "right", "bottom"]


def describe(trained: Trained, outputs: Mapping[str, Tensor], *, divisor: int, dispatch: str | None) -> dict[str, Any]:
    """The description of a network, as JSON content.

    Args:
        trained: its bundle and weights.
        outputs: by name, of any images.
        divisor: of rows and columns.
        dispatch: how experts run in this file; None without experts to dispatch.

    Returns:
        ``bundle``, ``version``, ``date``; ``input``; ``normalisation`` as inference.json has it, of grey values 0..255
        (empty where the network takes what the reader gives, 0..1); ``outputs`` with what each number is and the names
        of its channels; ``tasks`` or ``classes``; ``thresholds`` of masks; ``settings``; ``trained``: where the weights
        come from, with their SHA-256.
    """
    config = trained.config
    recorded = dict(trained.facts.get("settings", {}))
    settings = recorded or {key: trained.resolved(key) for key in SETTINGS if key in config}
    content = {
        "bundle": trained.root.name,
        "version": trained.metadata["version"],
        "date": time.strftime("%Y-%m-%dT%H:%M:%S%z"),
        "input": {
            "name": IMAGE,
            "channels": trained.in_channels,
            "dtype": "float32",
            "sides_divisible_by": divisor,
            "size_in_training": list(trained.image_size()),
        },
        "normalisation": normalisation_of(trained),
        "outputs": [
            {"name": name, "values": meaning(name, value, config), "channels": channels_of(name, value, trained)}
            for name, value in outputs.items()
        ],
        "thresholds": dict(read_thresholds(trained.ckpt_path)) if "thresholds" in config else {},
        "settings": settings,
        "trained": model_provenance(path=trained.ckpt_path)
        | {"checkpoint": trained.ckpt_path.name, "sha256": sha256_of(trained.ckpt_path)},
    }
    content |= {key: trained.resolved(key) for key in ("tasks", "classes") if key in config}
    return content | ({"dispatch": dispatch} if dispatch else {})


def normalisation_of(trained: Trained) -> list[dict[str, Any]]:
    """Those items of the preprocessing that change grey values by fixed numbers."""
    items = trained.config["preprocessing"]["transforms"]
    return [
        {key: value for key, value in item.items() if key not in ("keys", "_desc_")}
        for item in items
        if item["_target_"].rpartition(".")[2] in NORMALISATION
    ]


def meaning(name: str, value: Tensor, config: Mapping[str, Any]) -> str:
    """What the numbers of an output are."""
    kinds = {task["name"]: task["kind"] for task in config.get("tasks", [])}
    if name == PRED:
        return "mask logits (sigmoid)" if kinds else "class logits (softmax over channels)"
    if kinds.get(name) == "grade":
        return "class logits (softmax)"
    if kinds.get(name) == "box":
        return "edges as shares of width and height, 0..1"
    return {"gate_logits": "logits of experts", "gate_weights": "weights of experts, 0..1"}.get(name, "")


def channels_of(name: str, value: Tensor, trained: Trained) -> list[str]:
    """Names along an output's second axis; empty where they are not known."""
    count = value.shape[1]
    tasks, classes = trained.config.get("tasks", []), trained.config.get("classes")
    names: list[str] = []
    if name == PRED and tasks:
        names = [task["name"] for task in tasks if task["kind"] == "mask"]
    elif name == PRED and classes:
        names = ["background", *classes]
    elif name.startswith("gate_"):
        names = [task["name"] for task in tasks]
    elif name == "box":
        names = BOX_EDGES
    else:
        known = trained.metadata["network_data_format"]["outputs"].get(name, {})
        names = list(known.get("channel_def", {}).values())
    return names if len(names) == count else []
