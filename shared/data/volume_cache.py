"""Volumes at the network's size, read once: memory-mapped files that all loading processes share."""

from __future__ import annotations

import hashlib
import json
import logging
import os
import tempfile
import zlib
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn import functional

from shared.data.volume_file import VolumeFile, data_files
from shared.errors import DataError

logger = logging.getLogger(__name__)

CACHE_FORMAT = 1
CHECKSUM_BYTES = 4


class VolumeCache:
    """B-scans and labels of volumes, resized.

    Images are resized linearly with antialiasing, labels by nearest neighbour (`resize_labels`). In a file lie uint8
    images as uint8 and others as float16 in 0..1, one file per volume under a key of its files' sizes and times of
    change and of the parameters. Files are written beside their place and renamed; one that is damaged (checksum,
    compared once per process) is made anew; a full or read-only disk costs the cache, not the run.

    Args:
        image_size: (height, width) of the network.
        num_classes: labels must be below it.
        cache_dir: folder; None: volumes are kept in memory, in every process for itself.
    """

    def __init__(self, image_size: tuple[int, int], *, num_classes: int, cache_dir: str | Path | None = None) -> None:
        self.image_size, self.num_classes = (int(image_size[0]), int(image_size[1])), num_classes
        self.cache_dir = Path(cache_dir) if cache_dir is not None else None
        self._open: dict[tuple[str, str], NDArray[Any]] = {}
        self._complained = False

    def images(self, path: str | Path) -> NDArray[Any]:
        """All B-scans, ``[N, h, w]``: uint8 0..255, or float16 0..1.

        Raises:
            DataError: see `VolumeFile`.
        """
        return self._get(str(path), "image")

    def labels(self, path: str | Path) -> NDArray[np.uint8]:
        """All labels, class numbers ``[N, h, w]``.

        Raises:
            DataError: see `VolumeFile`; or a label that is no class.
        """
        return self._get(str(path), "label")

    def __getstate__(self) -> dict[str, Any]:
        return self.__dict__ | {"_open": {}}

    def _get(self, path: str, kind: str) -> NDArray[Any]:
        if (path, kind) not in self._open:
            self._open[path, kind] = self._load(path, kind)
        return self._open[path, kind]

    def _load(self, path: str, kind: str) -> NDArray[Any]:
        if self.cache_dir is None:
            return self._make(path, kind)
        file = self.cache_dir / f"{self._key(path, kind)}.{kind}.npy"
        if file.is_file():
            try:
                return _open_checked(file)
            except (OSError, ValueError, EOFError) as error:
                logger.warning("cached volume %s is damaged (%s) and is made anew", file.name, error)
        try:
            with VolumeFile(path, label=kind == "label", allow_gaps=True) as volume:
                dtype = np.float16 if kind == "image" and volume.dtype != np.uint8 else np.uint8
                _write(file, self._pieces(volume, kind), (volume.num_slices, *self.image_size), np.dtype(dtype))
            return np.load(file, mmap_mode="r")
        except OSError as error:
            if not self._complained:
                logger.warning("nothing can be cached in %s (%s): memory is used instead", self.cache_dir, error)
            self._complained = True
            return self._make(path, kind)

    def _make(self, path: str, kind: str) -> NDArray[Any]:
        with VolumeFile(path, label=kind == "label", allow_gaps=True) as volume:
            return np.stack([*self._pieces(volume, kind)])

    def _pieces(self, volume: VolumeFile, kind: str) -> Iterator[NDArray[Any]]:
        for place in range(volume.num_slices):
            if kind == "label":
                yield resize_labels(read_label(volume, place, num_classes=self.num_classes), self.image_size)
            elif volume.dtype == np.uint8:
                resized_HW = resize_image(volume.read(place, place + 1)[0].astype(np.float32), self.image_size)
                yield np.rint(resized_HW).astype(np.uint8)
            else:
                yield resize_image(volume.intensities(place, place + 1)[0], self.image_size).astype(np.float16)

    def _key(self, path: str, kind: str) -> str:
        stamps = [(str(file), file.stat().st_size, file.stat().st_mtime_ns) for file in data_files(path)]
        classes = self.num_classes if kind == "label" else 0
        text = json.dumps([CACHE_FORMAT, kind, stamps, self.image_size, classes])
        return hashlib.sha256(text.encode()).hexdigest()[:32]


def resize_image(image_HW: NDArray[np.float32], size: tuple[int, int]) -> NDArray[np.float32]:
    """Linear interpolation, with antialiasing where it shrinks."""
    if image_HW.shape == size:
        return image_HW
    image_11HW = torch.from_numpy(np.ascontiguousarray(image_HW))[None, None]
    resized = functional.interpolate(image_11HW, size=size, mode="bilinear", antialias=True, align_corners=False)
    return np.asarray(resized[0, 0].numpy())


def resize_labels(label_HW: NDArray[np.uint8], size: tuple[int, int]) -> NDArray[np.uint8]:
    """Nearest neighbour, on the same grid of pixel centres as `resize_image`: no class appears that was not there.

    Interpolating instead invents classes 1 and 2 along the border of class 3 (a defect of the published system).
    """
    rows, columns = (
        np.minimum((np.arange(after) + 0.5) * before / after, before - 1).astype(np.intp)
        for before, after in zip(label_HW.shape, size, strict=True)
    )
    return np.ascontiguousarray(label_HW[np.ix_(rows, columns)])


def read_label(volume: VolumeFile, place: int, *, num_classes: int) -> NDArray[np.uint8]:
    """One B-scan's label in full size, uint8 ``[H, W]``.

    Raises:
        DataError: values that are no class.
    """
    label_HW = volume.read(place, place + 1)[0]
    wrong = np.unique(label_HW[(label_HW < 0) | (label_HW >= num_classes) | (label_HW != np.floor(label_HW))])
    if len(wrong):
        raise DataError(
            f"{volume.path} has the labels {', '.join(f'{value:g}' for value in wrong[:5])} in B-scan {place}",
            expected=f"whole numbers from 0 (background) to {num_classes - 1}",
            fix="correct the reference, or the keys `classes` and `num_classes`",
        )
    return label_HW.astype(np.uint8)


def _open_checked(file: Path) -> NDArray[Any]:
    array = np.load(file, mmap_mode="r")
    with file.open("rb") as stream:
        stream.seek(-CHECKSUM_BYTES, os.SEEK_END)
        if int.from_bytes(stream.read(), "little") != _checksum(array):
            raise ValueError("checksum")
    return array


def _checksum(slices: Iterable[NDArray[Any]]) -> int:
    checksum = 0
    for slice_HW in slices:
        checksum = zlib.crc32(np.ascontiguousarray(slice_HW).tobytes(), checksum)
    return checksum


def _write(file: Path, pieces: Iterator[NDArray[Any]], shape: tuple[int, ...], dtype: np.dtype) -> None:
    """`numpy.save`'s format and a checksum behind it, one B-scan in memory."""
    file.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.NamedTemporaryFile(dir=file.parent, prefix=".", suffix=".npy", delete=False) as stream:
        temporary, checksum = Path(stream.name), 0
        try:
            header = {"descr": np.lib.format.dtype_to_descr(dtype), "fortran_order": False, "shape": shape}
            np.lib.format.write_array_header_1_0(stream, header)
            for piece in pieces:
                content = piece.tobytes()
                checksum = zlib.crc32(content, checksum)
                stream.write(content)
            stream.write(checksum.to_bytes(CHECKSUM_BYTES, "little"))
            stream.flush()
            temporary.replace(file)
        except BaseException:
            temporary.unlink(missing_ok=True)
            raise
