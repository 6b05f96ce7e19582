"""The folder that MONAI Label calls an app: trained bundles in ``model/``, and who serves them."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from monai.bundle import ConfigWorkflow
from PIL import Image

from shared.data.photograph import read_photograph
from shared.data.volume_file import VolumeFile
from shared.data.volume_writing import VolumeGeometry
from shared.errors import CheckpointError, ConfigError
from shared.label.result import volume_suffix
from shared.package.contents import MODEL, bundle_root_of, find_weights
from shared.package.pack import write_zip
from shared.package.unpack import unpack_bundle
from shared.phantoms.folder import LABEL_FILE
from shared.workflow.enter import use_scripts_of

MAIN = '''"""What MONAI Label loads; written by `python -m shared label`."""

from shared.label.server.app import EyeApp

__all__ = ["EyeApp"]
'''
PHANTOM_TEXT = "PHANTOMS: drawn, not photographed. What is found in them means nothing.\n"


def build_app(folder: str | Path, bundles: Sequence[str | Path], *, fresh: bool = False) -> dict[str, str]:
    """Put packages of bundles into an app folder.

    A bundle that is there already stays, for it may have been trained on since.

    Args:
        folder: of the app, made where absent.
        bundles: the bundles' folders.
        fresh: replace those that are there.

    Returns:
        what was done by bundle: "packed", "kept", or why it was left out.

    Raises:
        CheckpointError: none of the bundles has weights.
        ConfigError: a folder that is no bundle.
    """
    root = Path(folder)
    done: dict[str, str] = {}
    for bundle in bundles:
        source = bundle_root_of(str(bundle))
        target = root / "model" / source.name
        if (target / "models" / MODEL).is_file() and not fresh:
            done[source.name] = "kept"
            continue
        if not (source / "models" / MODEL).is_file():
            done[source.name] = f"left out: no weights; make train BUNDLE={source.name}"
            continue
        add_bundle(root, source)
        done[source.name] = "packed"
    if not any(state in ("kept", "packed") for state in done.values()):
        raise CheckpointError(
            f"none of the bundles has weights: {', '.join(done)}",
            expected="a models/model.pt that training has written",
            fix=f"train one first, for example: make train BUNDLE={next(iter(done), 'idrid_moe_mtl')}",
        )
    (root / "main.py").write_text(MAIN, encoding="utf-8")
    return done


def add_bundle(folder: str | Path, bundle: str | Path, *, ckpt_path: str = "") -> Path:
    """Pack a trained bundle into an app folder, in place of the one of its name.

    Args:
        folder: of the app.
        bundle: the bundle's folder.
        ckpt_path: the weights; by default the bundle's ``models/model.pt``.

    Raises:
        CheckpointError: no weights, or others than the bundle's.
    """
    source = bundle_root_of(str(bundle))
    target = Path(folder) / "model" / source.name
    with tempfile.TemporaryDirectory() as place:
        file = Path(place) / f"{source.name}.zip"
        write_zip(file, source, find_weights(source, ckpt_path))
        new = unpack_bundle(file, Path(place) / "new")
        # The server's own is used: several bundles share one process.
        shutil.rmtree(new / "shared")
        shutil.rmtree(target, ignore_errors=True)
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.move(new, target)
    return target


def add_examples(studies: str | Path, bundle: str | Path, *, number: int = 4, **overrides: Any) -> list[Path]:
    """Copy images that a bundle's inference would read, by default its phantoms, into a folder for MONAI Label.

    Of a stereo photograph the left view; a volume as ``.nii.gz``, which is one file. The folder is marked as phantoms,
    if these are.

    Args:
        number: how many.
        overrides: keys of `inference.json`, such as ``dataset_dir``.
    """
    root, folder = bundle_root_of(str(bundle)), Path(studies)
    use_scripts_of(str(root))
    config = str(root / "configs" / "inference.json")
    workflow = ConfigWorkflow(config, workflow_type="infer", logging_file=False, **overrides)
    workflow.parser.parse(True)
    items = workflow.parser.get_parsed_content("dataset").data
    images = list({str(item["image"]): item for item in items}.values())
    if not images:
        raise ConfigError(f"{root.name} would read nothing", expected="images", fix="correct dataset_dir")
    folder.mkdir(parents=True, exist_ok=True)
    step = max(1, len(images) // number)
    written = [_copy(item, folder, prefix=root.name) for item in images[::step][:number]]
    if _is_drawn(images[0]):
        (folder / LABEL_FILE).write_text(PHANTOM_TEXT, encoding="utf-8")
    return written


def _is_drawn(item: dict[str, Any]) -> bool:
    return any((parent / LABEL_FILE).is_file() for parent in Path(str(item["image"])).parents)


def _copy(item: dict[str, Any], folder: Path, *, prefix: str) -> Path:
    source = Path(str(item["image"]))
    stem = f"{prefix}_{Path(str(item.get('volume', item['name']))).name}"
    if volume_suffix(source) or source.is_dir() or "*" in source.name:
        import itk

        target = folder / f"{stem}.nii.gz"
        with VolumeFile(source) as volume:
            image = itk.image_from_array(np.ascontiguousarray(volume.read()))
            _place(image, volume.geometry)
        itk.imwrite(image, str(target), compression=True)
        return target
    if item.get("stereo"):
        target = folder / f"{stem}.png"
        pixels_HW3 = read_photograph(source).pixels_HW3
        Image.fromarray(pixels_HW3[:, : pixels_HW3.shape[1] // 2]).save(target)
        return target
    target = folder / f"{stem}{source.suffix.lower()}"
    shutil.copyfile(source, target)
    return target


def _place(image: Any, geometry: VolumeGeometry) -> None:
    import itk

    image.SetSpacing(list(geometry.spacing_xyz))
    image.SetOrigin(list(geometry.origin_xyz))
    image.SetDirection(itk.matrix_from_array(np.asarray(geometry.direction, np.float64)))
