"""Of every bundle: hyper-parameters and phantoms small enough to train in seconds."""

from __future__ import annotations

import inspect
import json
import re
import sys
from pathlib import Path
from typing import Any, NamedTuple

from shared.workflow.enter import use_scripts_of
from shared.workflow.keys import accepted_keys
from tests.support.bundle import REPOSITORY, config_files
from tests.support.volumes import write_retouch


class Tiny(NamedTuple):
    """``keys``: of a training run. ``phantoms``: of the bundle's `make_phantoms`. ``inferred``: what inference reads of
    these. ``documented``: what stands for the data set in documents."""

    keys: dict[str, Any]
    phantoms: dict[str, Any]
    inferred: str
    documented: str


COMMON = {
    "max_epochs": 2,
    "batches_per_epoch": 4,
    "num_workers": 0,
    "amp": False,
    "device": "cpu",
    "pretrained": "scratch",
}
TINY = {
    "fundus_od_unet": Tiny(
        {"image_size": [64, 48], "patch_size": [48, 48], "channels": [4, 4, 4, 4, 4], "batch_size": 2} | COMMON,
        {"photographs": [8, 8], "scale": 0.1, "seed": 1},
        "Healthy/Stereo Images/N-1-L.jpg",
        "/data/discs",
    ),
    "idrid_moe_mtl": Tiny(
        {"image_size": [64, 80], "backbone": "resnet18", "num_experts": 2, "batch_size": 3, "accumulation_steps": 2}
        | COMMON,
        {"size": [178, 268], "num_masked": [8, 4], "num_graded": [16, 8], "seed": 3},
        "A. Segmentation/1. Original Images/b. Testing Set",
        "/data/IDRiD",
    ),
    "retouch_meanteacher": Tiny(
        {
            "image_size": [64, 64],
            "backbone": "resnet10_narrow",
            "batch_size": 2,
            "unlabelled_batch_size": 2,
            "labelled_fraction": 0.5,
            "validation_fraction": 0.34,
        }
        | COMMON,
        {"volumes": [3, 3, 3], "scale": 0.1, "slice_scale": 0.01, "seed": 1},
        "RETOUCH-TrainingSet-Topcon/TRAIN007/oct.mhd",
        "/data/RETOUCH",
    ),
    "pets_mtl": Tiny(
        {"image_size": [64, 64], "channels": [4, 8, 8, 16], "batch_size": 4} | COMMON,
        {"number": 48, "breeds": 4, "size": 64, "seed": 1},
        "images",
        "/data/oxford-iiit-pet",
    ),
}
BUNDLES = sorted(path.parents[1].name for path in (REPOSITORY / "bundles").glob("*/configs/train.json"))
# Not overlays that go with training, evaluation and inference.
BASES = ("train", "evaluate", "inference", "multi_gpu_train", "metadata", "record")


def overlays_of(bundle: str) -> list[str]:
    """Names of the configuration files that may be appended."""
    folder = REPOSITORY / "bundles" / bundle / "configs"
    return sorted(path.stem for path in folder.glob("*.json") if path.stem not in BASES and path.stem[:3] != "zz_")


def read_config(bundle: str, name: str) -> dict[str, Any]:
    """A configuration file's content."""
    return json.loads(Path(config_files(bundle, name)[0]).read_text())


def only_accepted(keys: dict[str, Any], bundle: str, *names: str) -> dict[str, Any]:
    """Those keys that these configuration files accept together."""
    accepted = accepted_keys([read_config(bundle, name) for name in names])
    return {key: value for key, value in keys.items() if key in accepted}


def draw(bundle: str, folder: Path, *, overlay: str = "") -> Path:
    """The bundle's small phantom data set, in its official layout; for the overlay ``duke`` one like Duke's."""
    if overlay == "duke":
        patients = {"Spectralis": [f"DUKE00{number}" for number in range(1, 9)]}
        return write_retouch(folder, patients, num_slices=6, classes=2, size=(48, 64))
    path = list(sys.path)
    use_scripts_of(str(REPOSITORY / "bundles" / bundle))
    try:
        from scripts.phantoms import make_phantoms

        alone = {"workers": 1} if "workers" in inspect.signature(make_phantoms).parameters else {}
        return make_phantoms(folder, progress=False, **alone, **TINY[bundle].phantoms)
    finally:
        sys.path[:] = path


def as_words(keys: dict[str, Any]) -> list[str]:
    """Keys as they are typed: ``["--max_epochs", "2", ...]``."""
    return [word for key, value in keys.items() for word in (f"--{key}", re.sub(r"\s", "", str(value)))]
