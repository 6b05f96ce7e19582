"""Volumes read B-scan by B-scan: MetaImage, NIfTI, DICOM, folders of pictures. Memory does not grow with them."""

from __future__ import annotations

import logging
import math
import os
import tempfile
import zlib
from pathlib import Path
from typing import IO, Any, Self

import numpy as np
from numpy.typing import NDArray

from shared.data.bscan_pictures import find_bscans, picture_sizes, read_bscan
from shared.data.volume_header import COPY_AGAIN, VolumeHeader, check_bytes, read_header
from shared.data.volume_writing import VolumeGeometry
from shared.errors import DataError
from shared.files import ELSEWHERE, WRITABLE

logger = logging.getLogger(__name__)

CHUNK = 1 << 20
BITS = (8, 10, 12, 14, 16)


class VolumeFile:
    """One volume; its header is read at once, its voxels when asked for.

    Uncompressed voxels are read where they are. Compressed ones, and DICOM's frames, are first unpacked, piece by
    piece, into an unnamed temporary file (`tempfile`'s folder; the system removes it whatever happens). So memory holds
    what `read` returns.

    Args:
        path: ``.mhd``, ``.mha``, ``.nii``, ``.nii.gz``, DICOM, a folder of PNG, JPEG or TIFF B-scans, or such a folder
            and a pattern with ``*`` for their names.
        label: class numbers instead of intensities (matters for pictures, see `read_bscan`).
        allow_gaps: see `find_bscans`.

    Attributes:
        geometry: size (N, H, W), and spacing, origin and direction as ITK has them.
        physical: whether the spacing can be mm. Pictures have none: it is 1, 1, 1 then.
        dtype: of `read`.

    Raises:
        DataError: whatever cannot be read, or holds fewer bytes than it promises.
    """

    def __init__(self, path: str | Path, *, label: bool = False, allow_gaps: bool = False) -> None:
        self.path, self.label = Path(path), label
        self.header: VolumeHeader | None = None
        self.pictures: list[Path] = []
        self.file: IO[bytes] | None = None
        self._top: float | None = None
        if self.path.is_dir() or "*" in self.path.name:
            self.pictures = find_bscans(self.path, allow_gaps=allow_gaps)
            height, width = picture_sizes(self.pictures, name=self.path)
            self.geometry = VolumeGeometry((len(self.pictures), height, width))
            self.physical = False
            self.dtype = read_bscan(self.pictures[0], label=label).dtype
        else:
            self.header = read_header(self.path)
            self.geometry, self.physical = self.header.geometry, self.header.physical
            scaled = (self.header.slope, self.header.intercept) != (1.0, 0.0)
            self.dtype = np.dtype(np.float32) if scaled else self.header.dtype.newbyteorder("=")

    @property
    def num_slices(self) -> int:
        """Number of B-scans."""
        return self.geometry.size_NHW[0]

    @property
    def size(self) -> tuple[int, int]:
        """(height, width) of a B-scan."""
        return self.geometry.size_NHW[1], self.geometry.size_NHW[2]

    @property
    def spacing(self) -> tuple[float, float, float]:
        """(z, y, x) in mm, or meaningless where not `physical`."""
        x, y, z = self.geometry.spacing_xyz
        return z, y, x

    def read(self, start: int = 0, stop: int | None = None) -> NDArray[Any]:
        """B-scans ``start`` to ``stop - 1`` as they are stored, ``[n, H, W]``.

        Raises:
            DataError: damaged or missing data.
        """
        stop = self.num_slices if stop is None else stop
        if not 0 <= start <= stop <= self.num_slices:
            raise IndexError(f"B-scans {start} to {stop} of {self.num_slices}")
        if self.header is None:
            return self._read_pictures(start, stop)
        if self.file is None:
            self.file = self._open(self.header)
        size = math.prod(self.size)
        offset = 0 if self.header.compressed else self.header.offset
        place = offset + start * size * self.header.dtype.itemsize
        content = _read_at(self.file, place, (stop - start) * size * self.header.dtype.itemsize)
        voxels = np.frombuffer(content, dtype=self.header.dtype).reshape(stop - start, *self.size)
        if (self.header.slope, self.header.intercept) != (1.0, 0.0):
            return (voxels * self.header.slope + self.header.intercept).astype(np.float32)
        return voxels.astype(self.dtype)

    def intensities(self, start: int = 0, stop: int | None = None) -> NDArray[np.float32]:
        """B-scans on one scale for all vendors: 0..1 of the range of numbers they are stored in, float32 ``[n, H, W]``.

        The range of uint8 is 0..255. Wider numbers count as 8, 10, 12, 14 or 16 bits, whichever is the least that holds
        the volume's maximum (uint16 of RETOUCH's Spectralis: 16), and floating-point numbers up to 1 as they are.

        Not by percentiles: in the Duke scans the 99th percentile is 255 in every volume, because of white bands at
        their borders, and the 95th (139 to 255) tells how wide the bands are and not how bright the retina.
        """
        return np.clip(self.read(start, stop).astype(np.float32) / self.top, 0.0, 1.0)

    @property
    def top(self) -> float:
        """The stored number that means 1; looks at all voxels once, except for uint8.

        Raises:
            DataError: voxels that are negative or not finite.
        """
        if self._top is None:
            self._top = 255.0 if self.dtype == np.uint8 else self._find_top()
        return self._top

    def close(self) -> None:
        """Let go of the file."""
        if self.file is not None:
            self.file.close()
            self.file = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def __getstate__(self) -> dict[str, Any]:
        return self.__dict__ | {"file": None}

    def _find_top(self) -> float:
        least, most = math.inf, -math.inf
        for start in range(self.num_slices):
            bscan_HW = self.read(start, start + 1)
            least, most = min(least, float(bscan_HW.min())), max(most, float(bscan_HW.max()))
            if not (math.isfinite(least) and math.isfinite(most)) or least < 0:
                raise DataError(
                    f"{self.path} has voxels from {least:g} to {most:g} in B-scan {start}",
                    expected="OCT intensities: finite and not negative",
                    fix="export the volume as uint8 or uint16, or take it out of the data set",
                )
        if most <= 1 and self.dtype.kind == "f":
            return 1.0
        return next((2.0**bits - 1 for bits in BITS if most <= 2**bits - 1), most)

    def _read_pictures(self, start: int, stop: int) -> NDArray[Any]:
        bscans_NHW = np.zeros((stop - start, *self.size), self.dtype)
        for bscan_HW, file in zip(bscans_NHW, self.pictures[start:stop], strict=True):
            pixels_HW = read_bscan(file, label=self.label)
            if pixels_HW.dtype != self.dtype:
                raise DataError(
                    f"{file} has {pixels_HW.dtype} pixels, others of its volume {self.dtype}",
                    expected="B-scans of one kind",
                    fix="export them alike",
                )
            bscan_HW[:] = pixels_HW
        return bscans_NHW

    def _open(self, header: VolumeHeader) -> IO[bytes]:
        if header.dicom:
            from shared.dicom.tomography import unpack_frames

            return unpack_frames(header)
        try:
            source = header.data_file.open("rb")
        except OSError as error:
            raise DataError(f"cannot read {header.data_file}: {error}", expected="a file", fix=COPY_AGAIN) from error
        if not header.compressed:
            return source
        with source:
            return unpack(source, header, name=self.path)


def unpack(source: IO[bytes], header: VolumeHeader, *, name: Path) -> IO[bytes]:
    """Decompress (zlib or gzip) into a temporary file that begins with the first voxel; no more than promised.

    Raises:
        DataError: damaged or too short data, or no space for the temporary file.
    """
    whole_gzip = header.data_file.name.lower().endswith(".gz")
    source.seek(0 if whole_gzip else header.offset)
    skip = header.offset if whole_gzip else 0
    wanted, written = skip + header.num_bytes, 0
    decoder = zlib.decompressobj(47)
    target = tempfile.TemporaryFile(prefix="volume-")  # noqa: SIM115 (the caller closes it)
    try:
        pending = b""
        while written < wanted and not decoder.eof:
            pending = pending or source.read(CHUNK // 4)
            piece = decoder.decompress(pending, min(CHUNK, wanted - written))
            if not pending and not piece:
                break
            pending = decoder.unconsumed_tail
            target.write(memoryview(piece)[max(0, skip - written) :])
            written += len(piece)
        check_bytes(name, header, available=written - skip)
        target.flush()
    except BaseException as error:
        target.close()
        if isinstance(error, zlib.error):
            text = f"the compressed voxels of {name} are damaged: {error}"
            raise DataError(text, expected="whole zlib or gzip data", fix=COPY_AGAIN) from error
        if isinstance(error, OSError):
            fix = f"{ELSEWHERE}; TMPDIR for temporary files (now {tempfile.gettempdir()})"
            raise DataError(f"cannot unpack {name}: {error}", expected=WRITABLE, fix=fix) from error
        raise
    return target


def _read_at(file: IO[bytes], place: int, count: int) -> bytes:
    pieces, number = [], file.fileno()
    while count:
        piece = os.pread(number, count, place)
        if not piece:
            raise DataError(f"{file.name} has become shorter", expected="files that stay", fix="read it again")
        pieces.append(piece)
        place, count = place + len(piece), count - len(piece)
    return b"".join(pieces)


def data_files(path: str | Path) -> list[Path]:
    """All files that make up a volume: header and voxels, or the pictures; the path itself for anything else."""
    path = Path(path)
    if path.is_dir() or "*" in path.name:
        return find_bscans(path, allow_gaps=True)
    if path.name.lower().endswith((".mhd", ".mha")):
        return sorted({path, read_header(path).data_file})
    return [path]
