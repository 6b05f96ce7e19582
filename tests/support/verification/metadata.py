"""What the metadata say, against constraints, tasks and classes."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from tests.support.bundle import REPOSITORY
from tests.support.verification.read import read

SCHEMA = "https://project-monai.github.io/schema/meta_schema_20240725.json"
NEEDED = """version changelog monai_version pytorch_version numpy_version required_packages_version name task
description authors copyright network_data_format data_source data_type image_classes label_classes pred_classes
intended_use references"""
OF_A_TENSOR = ["type", "format", "num_channels", "spatial_shape", "dtype", "value_range"]


def check_metadata(root: Path) -> None:
    """Fields, the input `image`, the first output `pred`, and versions that sort as text."""
    metadata = read(root, "metadata")
    absent = [name for name in NEEDED.split() if name not in metadata]
    assert not absent, f"metadata.json has no {absent}"
    assert metadata["schema"] == SCHEMA
    assert metadata["version"] in metadata["changelog"], "the changelog has no entry of this version"
    versions = list(metadata["changelog"])
    assert sorted(versions) == sorted(versions, key=numbers), "versions are sorted as text: no 0.10"
    assert max(versions) == metadata["version"]
    formats = metadata["network_data_format"]
    assert list(formats["inputs"]) == ["image"]
    assert next(iter(formats["outputs"])) == "pred"
    for name, tensor in (formats["inputs"] | formats["outputs"]).items():
        absent = [key for key in OF_A_TENSOR if key not in tensor]
        assert not absent, f"{name} has no {absent}"
        channels = tensor.get("channel_def")
        assert channels is None or list(channels) == [str(k) for k in range(tensor["num_channels"])], name
    assert "channel_def" in formats["inputs"]["image"]
    assert "channel_def" in formats["outputs"]["pred"]


def check_versions(root: Path) -> None:
    """Exact, and those that are pinned here."""
    metadata = read(root, "metadata")
    pinned = dict(re.findall(r"^([\w.-]+)==([\w.]+)", (REPOSITORY / "constraints.txt").read_text(), flags=re.M))
    versions = metadata["required_packages_version"] | {
        "monai": metadata["monai_version"],
        "torch": metadata["pytorch_version"],
        "numpy": metadata["numpy_version"],
    }
    other = {name: version for name, version in versions.items() if pinned.get(name) != version}
    assert not other, f"not the pinned versions: {other}"


def check_channels(root: Path) -> None:
    """Channels have the names, number and order of the tasks or classes, in training as in inference."""
    outputs = read(root, "metadata")["network_data_format"]["outputs"]
    for name in ("train", "inference"):
        config = read(root, name)
        pred = list(outputs["pred"]["channel_def"].values())
        if "tasks" in config:
            tasks: list[dict[str, Any]] = config["tasks"]
            masks = [task for task in tasks if task["kind"] == "mask"]
            check_names([task["title"] for task in masks], pred, f"masks of {name}.json")
            for task in tasks:
                if task["kind"] == "grade":
                    assert outputs[task["name"]]["num_channels"] == task["num_classes"], task["name"]
                elif task["kind"] == "box":
                    assert list(outputs[task["name"]]["channel_def"].values()) == ["left", "top", "right", "bottom"]
        else:
            assert pred[0] == "background", f"the first channel is not the background but {pred[0]!r}"
            check_names(config["classes"], pred[1:], f"classes of {name}.json")


def check_names(short: list[str], long: list[str], what: str) -> None:
    """Whether names in a configuration mean those in the metadata, one by one."""
    assert len(short) == len(long), f"{what}: {short} are not {long}"
    for one, other in zip(short, long, strict=True):
        words = re.findall(r"[a-z]+", other.lower())
        initials = "".join(word[0] for word in words)
        means = one.lower() in (other.lower(), initials) or one.lower() in words
        assert means, f"{what}: {one!r} is not {other!r}"


def numbers(version: str) -> tuple[int, ...]:
    """1.2.3 -> (1, 2, 3)."""
    return tuple(map(int, version.split(".")))
