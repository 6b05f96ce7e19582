"""What a bundle's inference wrote about one image, as a label map and findings."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import itk
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from shared.data.photograph import read_mask
from shared.data.volume_header import VOLUME_SUFFIXES
from shared.errors import DataError

# Of a picture's label map; a viewer that knows volumes alone asks for one of the others.
PICTURE_EXTENSION = ".png"
EXTENSIONS = (PICTURE_EXTENSION, ".tif", ".nii.gz", ".nii", ".nrrd", ".mha")
VOLUME_PREFIX, MASK_PREFIX = "labels", "mask_"


class Result(NamedTuple):
    """``findings``: the image's JSON. ``label_HW``: the label map of a picture, uint8. ``volumes``: of a volume, its
    label files by suffix."""

    findings: dict[str, Any]
    label_HW: NDArray[np.uint8] | None
    volumes: dict[str, Path]


def read_result(folder: str | Path, numbers: Mapping[str, int]) -> Result:
    """Read the results of one image.

    Where masks overlap, the smaller one is on top: a lesion on the optic disc is seen, the disc under it is not.

    Args:
        folder: the bundle's ``output_dir``.
        numbers: see `shared.label.names.label_numbers`.

    Raises:
        DataError: there are results of none or of several images.
    """
    root = Path(folder)
    files = sorted((root / "json").glob("*.json"))
    if len(files) != 1:
        raise DataError(
            f"the inference wrote results of {len(files)} images",
            expected="one image or volume at a time",
            fix="send one photograph, one B-scan or one volume file",
        )
    findings: dict[str, Any] = json.loads(files[0].read_text(encoding="utf-8"))
    written: dict[str, str] = findings.pop("files", {})
    volumes = {
        key.removeprefix(VOLUME_PREFIX): root / name
        for key, name in written.items()
        if key.startswith(VOLUME_PREFIX) and key.removeprefix(VOLUME_PREFIX) in VOLUME_SUFFIXES
    }
    if volumes:
        return Result(findings, None, volumes)
    masks = {name: read_mask(root / written[MASK_PREFIX + name]) for name in numbers if MASK_PREFIX + name in written}
    return Result(findings, paint(masks, numbers), {})


def paint(masks: Mapping[str, NDArray[np.bool_]], numbers: Mapping[str, int]) -> NDArray[np.uint8] | None:
    """One label map uint8 [H,W] of masks [H,W] by name, larger ones below smaller ones; None without masks."""
    if not masks:
        return None
    label_HW = np.zeros(next(iter(masks.values())).shape, np.uint8)
    for name in sorted(masks, key=lambda name: (-int(masks[name].sum()), numbers[name])):
        label_HW[masks[name]] = numbers[name]
    return label_HW


def write_label(result: Result, path: str | Path, *, one_picture: bool) -> bool:
    """Write the label map to a file of any of `EXTENSIONS`.

    Args:
        one_picture: the image was a picture: of a volume of one B-scan that B-scan is written as a picture.

    Returns:
        whether there was one.
    """
    path = Path(path)
    if result.volumes:
        for suffix, file in result.volumes.items():
            if path.name.endswith(suffix) and not one_picture:
                shutil.copyfile(file, path)
                return True
        file = next(iter(result.volumes.values()))
        if not one_picture:
            itk.imwrite(itk.imread(str(file)), str(path), compression=True)
            return True
        label_HW = np.asarray(itk.array_from_image(itk.imread(str(file))))[0]
    elif result.label_HW is None:
        return False
    else:
        label_HW = result.label_HW
    if path.suffix in (PICTURE_EXTENSION, ".tif"):
        Image.fromarray(label_HW.astype(np.uint8)).save(path)
    else:
        itk.imwrite(itk.image_from_array(np.ascontiguousarray(label_HW.astype(np.uint8))), str(path), compression=True)
    return True


def extension_of(file: str | Path) -> str:
    """Of a volume its own suffix where labels can have it (else ``.nii.gz``), of a picture `PICTURE_EXTENSION`."""
    suffix = volume_suffix(file)
    if not suffix:
        return PICTURE_EXTENSION
    return suffix if suffix in EXTENSIONS else ".nii.gz"


def volume_suffix(file: str | Path) -> str:
    """The suffix of a volume file, lower case; empty for a picture."""
    name = Path(file).name.lower()
    return next((suffix for suffix in sorted(VOLUME_SUFFIXES, key=len, reverse=True) if name.endswith(suffix)), "")
