"""The command `python -m shared package`."""

from __future__ import annotations

import hashlib
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import IO

from shared.errors import ConfigError
from shared.files import atomic_write
from shared.handlers.load import read_facts
from shared.package.configs import trained_configs
from shared.package.contents import (
    LARGE_FILES,
    MODEL,
    REQUIREMENTS,
    Weights,
    bundle_files,
    bundle_root_of,
    find_weights,
    large_files,
    requirements,
    shared_files,
)

CHECKSUMS = "SHA256SUMS"
# Zip knows no earlier date; one date for all makes equal content equal bytes.
DATE = (1980, 1, 1, 0, 0, 0)


def package(bundle: str, *, output_dir: str = "dist", ckpt_path: str = "", weights_url: str = "") -> None:
    """Make one zip of a bundle that runs with MONAI and its stated packages alone: `shared` and the weights are inside.

    train.json and inference.json in it have the overlays and keys that the weights were trained with.

    Equal content gives an equal file. `python -m shared unpack FILE` opens it with care.

    Args:
        bundle: the bundle's folder, such as bundles/idrid_moe_mtl.
        output_dir: where <bundle>.zip goes.
        ckpt_path: the weights; default: the bundle's models/model.pt, that is the model trained last.
        weights_url: leave the weights out and say in large_files.yml that they are fetched from here, with their hash.
    """
    root = bundle_root_of(bundle)
    weights = find_weights(root, ckpt_path, url=_checked_url(weights_url))
    path = Path(output_dir).expanduser() / f"{root.name}.zip"
    written = write_zip(path, root, weights)
    facts = read_facts(weights.model)
    trained = ", ".join(f"{key} {facts[key]}" for key in ("dataset", "epoch", "score", "date") if key in facts)
    outside = f"; fetched from {weights.url}" if weights.url else ""
    print(f"weights      {weights.model} ({trained or 'of unknown origin'}){outside}")
    if facts.get("phantom"):
        print("             trained on PHANTOMS: what they find in real images means nothing")
    print(f"package      {path}  ({written} files, {path.stat().st_size / 1e6:.1f} MB)")
    print(f"to run it    python -m shared unpack {path}; cd {root.name}; pip install -r {REQUIREMENTS}")


def write_zip(path: Path, root: Path, weights: Weights) -> int:
    """Write the zip in one step; its only top folder is named as the file is, as MONAI expects.

    Returns:
        the number of files in it.
    """
    sums: list[str] = []

    def write(file: IO[bytes]) -> None:
        with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
            for name, content in members(root, weights):
                archive.writestr(_member(f"{path.stem}/{name}"), content)
                sums.append(f"{hashlib.sha256(content).hexdigest()}  {name}\n")
            archive.writestr(_member(f"{path.stem}/{CHECKSUMS}"), "".join(sums))

    atomic_write(path, write, fix="free space, or name another --output_dir")
    return len(sums) + 1


def members(root: Path, weights: Weights) -> Iterator[tuple[str, bytes]]:
    """Names within the bundle and contents, in a fixed order."""
    trained = {f"configs/{name}": content for name, content in trained_configs(root, weights).items()}
    for file, name in (*bundle_files(root), *shared_files()):
        yield name, trained.get(name) or file.read_bytes()
    yield REQUIREMENTS, requirements(root).encode()
    if weights.url:
        yield LARGE_FILES, large_files(weights).encode()
    else:
        yield f"models/{MODEL}", weights.model.read_bytes()
    for file in weights.companions:
        yield f"models/{file.name}", file.read_bytes()


def _member(name: str) -> zipfile.ZipInfo:
    info = zipfile.ZipInfo(name, date_time=DATE)
    info.external_attr = 0o644 << 16
    info.compress_type = zipfile.ZIP_DEFLATED
    return info


def _checked_url(url: str) -> str:
    if url and not url.startswith(("https://", "http://")):
        raise ConfigError(
            f"--weights_url is {url!r}", expected="an address that begins with https://", fix="correct the address"
        )
    return url
