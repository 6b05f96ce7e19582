"""What may be read on the page: looked at before anything is decoded."""

from __future__ import annotations

import warnings
from pathlib import Path

import numpy as np
from PIL import Image, UnidentifiedImageError

from shared.data.bscan_pictures import PICTURE_SUFFIXES
from shared.data.field_of_view import WORK_WIDTH, find_field_of_view
from shared.data.photograph import read_photograph
from shared.data.volume_header import VOLUME_SUFFIXES, read_header
from shared.errors import DataError

MEGABYTE = 2**20
MAX_BYTES = 150 * MEGABYTE
MAX_PIXELS = 60_000_000
MAX_VOXELS = 300_000_000
KINDS = f"a picture ({', '.join(PICTURE_SUFFIXES)}) or a volume in one file (.mha, .nii, .nii.gz)"
FUNDUS, BSCAN, OTHER, OCT = "fundus photograph", "B-scan", "photograph", "OCT"
# Mean difference between the colours of a pixel, of 255: scanners save grey B-scans as JPEG too.
GREY = 6.0


def check_upload(path: Path) -> str:
    """Refuse what is empty, too large, or neither picture nor volume.

    Returns:
        FUNDUS, BSCAN, OTHER (any other photograph) or OCT (a volume).

    Raises:
        DataError: says what was received and what can be read.
    """
    size = path.stat().st_size
    if size == 0:
        raise DataError(f"{path.name} is empty (0 bytes)", expected=KINDS, fix="export or download the file again")
    if size > MAX_BYTES:
        raise DataError(
            f"{path.name} has {size / MEGABYTE:.0f} MB",
            expected=f"at most {MAX_BYTES // MEGABYTE} MB",
            fix="read it with the bundle's inference.json, which has no such limit",
        )
    if path.suffix.lower() == ".mhd":
        raise DataError(
            f"{path.name} is a header, whose voxels are in a second file",
            expected=KINDS,
            fix="save the volume as .mha, for example with 3D Slicer or ITK-SNAP",
        )
    if path.suffix.lower() in PICTURE_SUFFIXES:
        check_pixels(path)
        return kind_of_picture(path)
    if path.name.lower().endswith(VOLUME_SUFFIXES):
        check_voxels(path)
        return OCT
    raise DataError(f"{path.name} is no file that can be read", expected=KINDS, fix="give another file")


def check_pixels(path: Path) -> None:
    """Refuse a picture by the size in its header: a few bytes can promise more pixels than there is memory.

    Raises:
        DataError: no picture, or too many pixels.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)
            with Image.open(path) as picture:
                width, height = picture.size
    except Image.DecompressionBombError as error:
        raise _too_large(path, "far too many pixels") from error
    except (UnidentifiedImageError, OSError, ValueError, SyntaxError) as error:
        raise DataError(
            f"{path.name} is no picture, or a damaged one", expected=KINDS, fix="open it in a viewer and save it again"
        ) from error
    if width * height > MAX_PIXELS:
        raise _too_large(path, f"{width} x {height} pixels")


def check_voxels(path: Path) -> None:
    """Refuse a volume by the size in its header, and one that names another file: it could name any of the server's.

    Raises:
        DataError: no volume, too many voxels, or voxels elsewhere.
    """
    header = read_header(path)
    if header.data_file != path:
        raise DataError(
            f"{path.name} is a header, whose voxels are in a second file",
            expected=KINDS,
            fix="save the volume as .mha with its voxels in it, for example with 3D Slicer or ITK-SNAP",
        )
    n, h, w = header.geometry.size_NHW
    if n * h * w > MAX_VOXELS:
        raise _too_large(path, f"{w} x {h} x {n} voxels", most=f"{MAX_VOXELS / 1e6:.0f} million voxels")


def kind_of_picture(path: Path) -> str:
    """Grey: a B-scan. With a field of view: a fundus photograph. Else any other.

    Raises:
        DataError: the picture is damaged.
    """
    photograph = read_photograph(path, at_least=(1, WORK_WIDTH))
    pixels_HW3 = photograph.pixels_HW3.astype(np.int16)
    if float((pixels_HW3.max(2) - pixels_HW3.min(2)).mean()) < GREY:
        return BSCAN
    try:
        find_field_of_view(photograph.pixels_HW3, photo_size=photograph.full_size, name=str(path))
    except DataError:
        return OTHER
    return FUNDUS


def _too_large(path: Path, size: str, *, most: str = f"{MAX_PIXELS / 1e6:.0f} million pixels") -> DataError:
    return DataError(
        f"{path.name} has {size}; it was not decoded",
        expected=f"at most {most}",
        fix="read it with the bundle's inference.json, or make it smaller",
    )
