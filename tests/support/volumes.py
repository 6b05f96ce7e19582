"""Small volumes written by hand, byte by byte, so that readers are tested against the formats and not a library."""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

META_NAMES = {"u1": "MET_UCHAR", "u2": "MET_USHORT", "i2": "MET_SHORT", "f4": "MET_FLOAT"}


def write_mhd(
    path: Path,
    voxels_NHW: NDArray[Any],
    *,
    spacing: Sequence[float] | None = (0.25, 0.004, 0.012),
    origin: Sequence[float] = (0, 0, 0),
    matrix: Sequence[float] = (1, 0, 0, 0, 1, 0, 0, 0, 1),
    compress: bool = False,
    big_endian: bool = False,
    **entries: str,
) -> Path:
    """A ``.mhd`` with its data beside it, or a ``.mha``; ``spacing`` is (z, y, x), ``entries`` replace header lines."""
    path.parent.mkdir(parents=True, exist_ok=True)
    kind = voxels_NHW.dtype.str[1:]
    n, h, w = voxels_NHW.shape
    content = voxels_NHW.astype(np.dtype(kind).newbyteorder(">" if big_endian else "<")).tobytes()
    content = zlib.compress(content) if compress else content
    local = path.suffix == ".mha"
    data = "LOCAL" if local else f"{path.stem}.{'zraw' if compress else 'raw'}"
    header = {
        "ObjectType": "Image",
        "NDims": "3",
        "BinaryData": "True",
        "BinaryDataByteOrderMSB": str(big_endian),
        "CompressedData": str(compress),
        **({"CompressedDataSize": str(len(content))} if compress else {}),
        "TransformMatrix": " ".join(map(repr, matrix)),
        "Offset": " ".join(map(repr, origin)),
        **({"ElementSpacing": " ".join(map(repr, spacing[::-1]))} if spacing is not None else {}),
        "DimSize": f"{w} {h} {n}",
        "ElementType": META_NAMES[kind],
        "ElementDataFile": data,
    }
    header |= entries
    header["ElementDataFile"] = header.pop("ElementDataFile")  # ends the header
    text = "".join(f"{key} = {value}\n" for key, value in header.items()).encode()
    path.write_bytes(text + (content if local else b""))
    if not local:
        path.with_name(data).write_bytes(content)
    return path


def draw_volume(num_slices: int = 4, height: int = 24, width: int = 32, *, seed: int = 0, top: int = 255) -> Any:
    """A bright band on noise, uint8 or (``top`` above 255) uint16, ``[N, H, W]``."""
    random = np.random.default_rng(seed)
    rows = np.arange(height)[None, :, None]
    band = np.exp(-(((rows - height / 2) / (height / 8)) ** 2))
    values = (0.15 * random.random((num_slices, height, width)) + 0.8 * band) * top
    return values.astype(np.uint8 if top <= 255 else np.uint16)


def draw_labels(num_slices: int = 4, height: int = 24, width: int = 32, *, classes: int = 4) -> Any:
    """A block of each class, uint8 ``[N, H, W]``; the first B-scan has none."""
    labels = np.zeros((num_slices, height, width), np.uint8)
    for number in range(1, classes):
        left = (number - 1) * width // (classes - 1)
        labels[1:, height // 3 : height // 2 + number, left + 1 : left + width // (classes - 1) - 1] = number
    return labels


def write_retouch(
    root: Path,
    patients: dict[str, Sequence[str]],
    *,
    unlabelled: Sequence[str] = (),
    num_slices: int = 4,
    classes: int = 4,
    size: tuple[int, int] = (24, 32),
) -> Path:
    """RETOUCH's layout with a volume for every patient (by vendor); Spectralis has uint16 and half the B-scans."""
    for vendor, names in patients.items():
        for number, name in enumerate(names):
            folder = root / f"RETOUCH-TrainingSet-{vendor}" / name
            count, top = (max(1, num_slices // 2), 65535) if vendor == "Spectralis" else (num_slices, 255)
            seed = sum(map(ord, vendor + name)) * 100 + number
            write_mhd(folder / "oct.mhd", draw_volume(count, *size, seed=seed, top=top))
            if name not in unlabelled:
                write_mhd(folder / "reference.mhd", draw_labels(count, *size, classes=classes), compress=True)
    return root
