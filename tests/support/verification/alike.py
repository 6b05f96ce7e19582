"""One fact, one place; where the format forbids it, the places are compared."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from tests.support.verification.read import Config, at, configs, read

# What inference does otherwise than training, and says in its own way.
OWN = {"output_dir", "num_workers", "provenance", "network", "thresholds", "initialize", "run"}
ALIKE = {
    "image_size",
    "backbone",
    "network_def",
    "settings",
    "phantoms",
    "experiment_name",
    "tracking_uri",
    "dataset_dir",
}
# Of what reads a picture: whether it is kept, or cut, for scoring or writing; not what the network sees of it.
OF_READING = {"_desc_", "native", "partial", "grow", "cache_dir", "stream"}
CHAINS = ("train#preprocessing#transforms", "validate#preprocessing#transforms", "preprocessing#transforms")


def check_inference_repeats_training(root: Path) -> None:
    """The network above all."""
    train, inference = read(root, "train"), read(root, "inference")
    common = train.keys() & inference.keys()
    differing = {key for key in common if train[key] != inference[key]} - OWN
    assert not differing, f"inference.json differs from train.json in {sorted(differing)}"
    assert common >= ALIKE, f"not in both: {sorted(ALIKE - common)}"
    assert inference["network_def"]["_target_"].startswith(("monai.", "shared.")), "export needs no PYTHONPATH"
    for name, config in configs(root).items():
        assert "network_def" not in config or name in ("train", "inference") or changed_alone(config), name


def changed_alone(config: Config) -> bool:
    """Whether an overlay that has a network of its own goes with inference too: it must then say all of it."""
    return isinstance(config["network_def"], dict) and "_target_" in config["network_def"]


def check_evaluation_shares_settings(root: Path) -> None:
    """What is reported is what is written: thresholds, classes, tasks, what is kept of a mask."""
    evaluate, inference = read(root, "evaluate"), read(root, "inference")
    common = (evaluate.keys() & inference.keys()) - {"output_dir", "run", "network"}
    differing = {key for key in common if evaluate[key] != inference[key] and not of_volumes(key, evaluate)}
    assert not differing, f"evaluate.json and inference.json differ in {sorted(differing)}"
    report = handler_with(at(evaluate, "validate#handlers"), "split")
    writer = handler_with(at(inference, "handlers"), "output_dir")
    common = (report.keys() & writer.keys()) - {"_target_", "provenance"}
    differing = {key for key in common if report[key] != writer[key]}
    assert not differing, f"the report's {sorted(differing)} are not the writer's"
    assert common & {"tasks", "classes"}
    for what in ("thresholds", "keep_largest"):
        assert (what in report) == (what in writer), f"only one of evaluation and inference has {what}"


def of_volumes(key: str, evaluate: Config) -> bool:
    """The volumes of a split are others than those of a folder."""
    return key == "volumes" and "split" in str(evaluate[key])


def handler_with(items: list[dict[str, Any]], key: str) -> dict[str, Any]:
    """The handler that makes a bundle's own output: the first with that argument, tracking and loading apart."""
    return next(item for item in items if key in item and not item["_target_"].startswith("shared.handlers.Track"))


def check_the_network_sees_alike(root: Path) -> None:
    """The same reading, contrast and normalisation wherever a picture comes to the network."""
    seen: dict[str, list[Config]] = {}
    for name, config in configs(root).items():
        for place in CHAINS:
            chain = at(config, place)
            if chain is not None:
                seen[f"{name}.json: {place}"] = [
                    without(item, OF_READING) for item in chain if changes_what_is_seen(item)
                ]
    assert {"train.json: train#preprocessing#transforms", "inference.json: preprocessing#transforms"} <= seen.keys()
    expected = seen["inference.json: preprocessing#transforms"]
    assert expected, "nothing reads pictures"
    for place, chain in seen.items():
        assert chain == expected, f"{place} has {chain}, inference.json has {expected}"


def changes_what_is_seen(item: Config) -> bool:
    """Whether a transform decides grey values or geometry, always and of the image."""
    name = item["_target_"].rsplit(".", 1)[-1]
    return "image_size" in item or bool(re.fullmatch(r"(?!Rand)\w*(Intensity|Contrast)\w*", name))


def without(item: Config, keys: set[str]) -> Config:
    """An item but for some keys."""
    return {key: value for key, value in item.items() if key not in keys}
