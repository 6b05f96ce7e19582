"""DICOM files of all kinds that inference may meet: generated, and saying so."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
from PIL import Image
from pydicom.encaps import encapsulate
from pydicom.uid import (
    JPEG2000Lossless,
    JPEGBaseline8Bit,
    JPEGLSLossless,
    RLELossless,
)

from shared.data.volume_writing import VolumeGeometry
from shared.dicom.wrap import photograph_dataset, save, tomography_dataset

# A right-handed stack like a scanner's: B-scans from top to bottom, depth along the third axis.
GEOMETRY = VolumeGeometry(
    (5, 24, 32), (0.0117, 0.0039, 0.235), (-3.0, 2.5, 1.25), ((1.0, 0.0, 0.0), (0.0, 0.0, -1.0), (0.0, 1.0, 0.0))
)
PATIENT = "Jansen^Geheim"


def eye_pixels(size: tuple[int, int] = (96, 120)) -> np.ndarray:
    """Smooth colours that no two channels share, uint8 [H, W, 3]."""
    rows, columns = np.mgrid[: size[0], : size[1]]
    red, green = 120 + 80 * np.sin(rows / 17), 90 + 60 * np.cos(columns / 23)
    return np.stack([red, green, 40 + 0 * rows + columns / 4], axis=2).astype(np.uint8)


def scan_voxels(*, bits: int = 16, size: tuple[int, int, int] = GEOMETRY.size_NHW) -> np.ndarray:
    """B-scans of numbers that differ everywhere they can."""
    dtype = np.uint8 if bits == 8 else np.uint16
    return np.random.default_rng(3).integers(0, 2**bits, size, dtype=dtype)


def jpeg_of(pixels: np.ndarray, *, quality: int = 95) -> bytes:
    """Baseline JPEG with halved chroma, as cameras write it."""
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "JPEG", quality=quality, subsampling=1)
    return buffer.getvalue()


def write_photograph(path: Path, pixels: np.ndarray, *, kind: str = "explicit", **changed: Any) -> Path:
    """A photograph in a transfer syntax by name; ``changed``: elements by keyword, None to remove one.

    ``kind``: explicit, implicit, big_endian, deflated, rle, jpeg, jpeg_ls, jpeg_2000.
    """
    dataset = photograph_dataset(pixels, name=path.stem)
    _change(dataset, changed)
    return _write(dataset, path, kind, pixels)


def write_scan(
    path: Path, voxels: np.ndarray, *, kind: str = "explicit", physical: bool = True, **changed: Any
) -> Path:
    """An OCT volume, likewise."""
    dataset = tomography_dataset(voxels, name=path.stem, geometry=GEOMETRY, physical=physical)
    _change(dataset, changed)
    return _write(dataset, path, kind, voxels)


def _change(dataset: pydicom.Dataset, changed: dict[str, Any]) -> None:
    for keyword, value in changed.items():
        if value is None:
            delattr(dataset, keyword)
        else:
            setattr(dataset, keyword, value)


def _write(dataset: pydicom.Dataset, path: Path, kind: str, pixels: np.ndarray) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    if kind == "explicit":
        return save(dataset, path)
    if kind in ("implicit", "big_endian", "deflated"):
        uids = {
            "implicit": "1.2.840.10008.1.2",
            "big_endian": "1.2.840.10008.1.2.2",
            "deflated": "1.2.840.10008.1.2.1.99",
        }
        if kind == "big_endian" and pixels.dtype.itemsize == 2:
            dataset.PixelData = pixels.byteswap().tobytes()
        save(dataset, path, transfer_syntax=uids[kind])
        return path
    if kind == "jpeg":
        dataset.PhotometricInterpretation = "YBR_FULL_422"
        dataset.PixelData = encapsulate([jpeg_of(pixels)])
        dataset["PixelData"].VR = "OB"
        return save(dataset, path, transfer_syntax=JPEGBaseline8Bit)
    if kind == "jpeg_2000":
        frames = pixels if dataset.Modality == "OPT" else [pixels]
        streams = []
        for frame in frames:
            buffer = io.BytesIO()
            Image.fromarray(frame).save(buffer, "JPEG2000", irreversible=False, mct=0, no_jp2=True)
            streams.append(buffer.getvalue())
        dataset.PixelData = encapsulate(streams)
        dataset["PixelData"].VR = "OB"
        return save(dataset, path, transfer_syntax=JPEG2000Lossless)
    save(dataset, path)
    read = pydicom.dcmread(path)
    read.compress({"rle": RLELossless, "jpeg_ls": JPEGLSLossless}[kind], generate_instance_uid=False)
    read.save_as(path)
    return path
