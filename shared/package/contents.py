"""What goes into a bundle's zip."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import shared
from shared.data.splits import SPLIT_FILE
from shared.errors import ConfigError
from shared.files import sha256_of
from shared.handlers.finish_multitask import THRESHOLDS_FILE
from shared.handlers.load import no_weights

MODEL = "model.pt"
# What is published beside the model, as far as a bundle has it.
MODEL_COMPANIONS = ("model.json", SPLIT_FILE, THRESHOLDS_FILE)
FOLDERS = ("configs", "scripts", "docs")
LARGE_FILES = "large_files.yml"
REQUIREMENTS = "requirements.txt"


class Weights(NamedTuple):
    """A bundle's weights and the files beside them; ``url``: whence they are fetched instead of being packed."""

    model: Path
    companions: tuple[Path, ...] = ()
    url: str = ""


def find_weights(root: Path, ckpt_path: str = "", *, url: str = "") -> Weights:
    """The published weights of a bundle, or those given.

    Raises:
        CheckpointError: there are none.
    """
    model = Path(ckpt_path).expanduser() if ckpt_path else root / "models" / MODEL
    if not model.is_file():
        raise no_weights(model)
    beside = (model.with_name(name) for name in MODEL_COMPANIONS)
    return Weights(model, tuple(path for path in beside if path.is_file()), url)


def bundle_root_of(bundle: str) -> Path:
    """A bundle's folder.

    Raises:
        ConfigError: it is none.
    """
    root = Path(bundle).expanduser().resolve()
    if not (root / "configs" / "metadata.json").is_file():
        known = [str(path.parents[1]) for path in sorted(Path("bundles").glob("*/configs/metadata.json"))]
        raise ConfigError(
            f"{bundle} is no bundle: there is no {root / 'configs' / 'metadata.json'}",
            expected=f"a bundle's folder, such as {', '.join(known) or 'bundles/idrid_moe_mtl'}",
            fix="correct the folder",
        )
    return root


def bundle_files(root: Path) -> Iterator[tuple[Path, str]]:
    """A bundle's own files and their names within it, weights not included."""
    yield root / "LICENSE", "LICENSE"
    for folder in FOLDERS:
        for path in sorted((root / folder).rglob("*")):
            if path.is_file() and _kept(path):
                yield path, path.relative_to(root).as_posix()


def shared_files() -> Iterator[tuple[Path, str]]:
    """The files of the package `shared`, which a bundle needs beside its `scripts`."""
    folder = Path(shared.__file__).parent
    for path in sorted(folder.rglob("*")):
        if path.is_file() and _kept(path):
            yield path, f"shared/{path.relative_to(folder).as_posix()}"


def requirements(root: Path) -> str:
    """The packages that the bundle's metadata state, as pip reads them."""
    metadata = json.loads((root / "configs" / "metadata.json").read_text())
    own = {"monai": metadata["monai_version"], "torch": metadata["pytorch_version"], "numpy": metadata["numpy_version"]}
    packages = own | metadata["required_packages_version"]
    return "".join(f"{name}=={version}\n" for name, version in packages.items())


def large_files(weights: Weights) -> str:
    """`large_files.yml` as `monai.bundle.download_large_files` reads it."""
    return (
        "large_files:\n"
        f"- path: models/{MODEL}\n"
        f"  url: {json.dumps(weights.url)}\n"
        f"  hash_val: {sha256_of(weights.model)}\n"
        "  hash_type: sha256\n"
    )


def _kept(path: Path) -> bool:
    return "__pycache__" not in path.parts and not path.name.startswith(".") and path.suffix not in (".pyc", ".pt")
