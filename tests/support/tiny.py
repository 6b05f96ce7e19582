"""Of every bundle: hyper-parameters and phantoms small enough to train in seconds."""

from __future__ import annotations

import inspect
import json
import re
import runpy
import sys
from pathlib import Path
from typing import Any, NamedTuple

from shared.workflow.enter import use_scripts_of
from shared.workflow.keys import accepted_keys
from tests.support.bundle import REPOSITORY, config_files
from tests.support.volumes import write_retouch


class Tiny(NamedTuple):
    """A bundle's smallest run, as its ``scripts/tiny.py`` says it, so that a new bundle brings its own.

    ``keys``: of a training run. ``golden``: further ones, of the run whose losses are in ``tests/golden``.
    ``phantoms``: of the bundle's `make_phantoms`. ``inferred``: what inference reads of these.
    """

    keys: dict[str, Any]
    golden: dict[str, Any]
    phantoms: dict[str, Any]
    inferred: str


COMMON = {
    "max_epochs": 2,
    "batches_per_epoch": 4,
    "num_workers": 0,
    "amp": False,
    "device": "cpu",
    "pretrained": "scratch",
}


def read_tiny(bundle_root: Path) -> Tiny:
    """``TINY`` of the bundle's ``scripts/tiny.py``, with what all bundles have in common."""
    said = runpy.run_path(str(bundle_root / "scripts" / "tiny.py"))["TINY"]
    return Tiny(said["keys"] | COMMON, said["golden"], said["phantoms"], said["inferred"])


BUNDLES = sorted(path.parents[1].name for path in (REPOSITORY / "bundles").glob("*/configs/train.json"))
TINY = {name: read_tiny(REPOSITORY / "bundles" / name) for name in BUNDLES}
# Not overlays that go with training, evaluation and inference; nor are those that go with one of them alone.
BASES = ("train", "evaluate", "inference", "federated", "label", "metadata", "record")
OF_ONE = ("multi_gpu_", "inference_", "zz_")


def overlays_of(bundle: str) -> list[str]:
    """Names of the configuration files that may be appended."""
    folder = REPOSITORY / "bundles" / bundle / "configs"
    names = (path.stem for path in folder.glob("*.json"))
    return sorted(name for name in names if name not in BASES and not name.startswith(OF_ONE))


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
