"""Label volumes written B-scan by B-scan: MetaImage and NIfTI with the geometry of the volume they belong to.

Memory holds one B-scan, whatever the number. A file appears under its name when its last B-scan is in, or not at all.
"""

from __future__ import annotations

import contextlib
import gzip
import os
import tempfile
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import IO, Any, NamedTuple, Self

import numpy as np
import numpy.typing as npt

from shared.errors import ConfigError, DataError
from shared.files import ELSEWHERE, WRITABLE

Labels = npt.NDArray[np.uint8]
COMPRESSION = 6
SIZE_DIGITS = 15
IDENTITY = ((1.0, 0.0, 0.0), (0.0, 1.0, 0.0), (0.0, 0.0, 1.0))


class VolumeGeometry(NamedTuple):
    """Where voxels lie, as ITK says it: physical = origin + direction @ (spacing * (x, y, z)), in mm, LPS.

    ``size_NHW`` is (B-scans, rows, columns); the others have ITK's order (x, y, z) = (column, row, B-scan).
    """

    size_NHW: tuple[int, int, int]
    spacing_xyz: tuple[float, float, float] = (1.0, 1.0, 1.0)
    origin_xyz: tuple[float, float, float] = (0.0, 0.0, 0.0)
    direction: tuple[tuple[float, ...], ...] = IDENTITY

    @property
    def affine_ras(self) -> npt.NDArray[np.float64]:
        """Voxel (x, y, z) to NIfTI's RAS millimetres, [4, 4]."""
        affine = np.eye(4)
        affine[:3, :3] = np.asarray(self.direction, np.float64) * np.asarray(self.spacing_xyz)
        affine[:3, 3] = self.origin_xyz
        return np.diag([-1.0, -1.0, 1.0, 1.0]) @ affine


class StreamedFile:
    """A file that grows under a temporary name beside its place, and is renamed when it is complete.

    Raises:
        DataError: the disk is full or read-only.
    """

    def __init__(self, path: str | Path, *, fix: str = ELSEWHERE) -> None:
        self.path, self.fix = Path(path), fix
        self.temporary: Path | None = None
        with _Explained(self):
            self.path.parent.mkdir(parents=True, exist_ok=True)
            handle, name = tempfile.mkstemp(dir=self.path.parent, prefix=f".{self.path.name}.")
            self.temporary = Path(name)
            self.file: IO[bytes] = os.fdopen(handle, "w+b")

    def write(self, content: bytes) -> None:
        with _Explained(self):
            self.file.write(content)

    def finish(self) -> Path:
        """Flush and rename."""
        with _Explained(self):
            self.file.flush()
            os.fsync(self.file.fileno())
            self.file.close()
            umask = os.umask(0)
            os.umask(umask)
            assert self.temporary is not None
            self.temporary.chmod(0o666 & ~umask)
            self.temporary.replace(self.path)
            self.temporary = None
        return self.path

    def discard(self) -> None:
        """Remove what was written; a finished file stays."""
        if self.temporary is not None:
            with contextlib.suppress(OSError):  # a full disk, met again when the rest of the buffer is flushed
                self.file.close()
            self.temporary.unlink(missing_ok=True)
            self.temporary = None


class LabelVolumeWriter:
    """Common to both formats: B-scans come in order, each of the geometry's size, exactly as many as it has.

    A context manager: left through an exception it leaves no file.
    """

    def __init__(self, path: str | Path, *, geometry: VolumeGeometry) -> None:
        self.path, self.geometry, self.count = Path(path), geometry, 0
        self.streams: list[StreamedFile] = []

    def append(self, labels_HW: npt.NDArray[Any]) -> None:
        """Write the next B-scan.

        Raises:
            ConfigError: another size than the volume's, or a B-scan too many.
            DataError: it cannot be written.
        """
        size = tuple(self.geometry.size_NHW[1:])
        if labels_HW.shape != size or self.count >= self.geometry.size_NHW[0]:
            raise ConfigError(
                f"{self.path.name}: B-scan {self.count + 1} of size {labels_HW.shape}",
                expected=f"{self.geometry.size_NHW[0]} B-scans of size {size}, in order",
                fix="restore predictions to the volume's own size, and let a loader go through it once, unshuffled",
            )
        self._write(np.ascontiguousarray(labels_HW, dtype=np.uint8).tobytes())
        self.count += 1

    def close(self) -> Path:
        """Complete the file.

        Raises:
            DataError: B-scans are missing, or it cannot be written; no file is left.
        """
        if self.count != self.geometry.size_NHW[0]:
            self.discard()
            raise DataError(
                f"{self.path.name}: {self.count} of {self.geometry.size_NHW[0]} B-scans were predicted",
                expected="all B-scans of a volume, in order",
                fix="run inference on whole volumes",
            )
        try:
            self._finish()
        except BaseException:
            self.discard()
            raise
        return self.path

    def discard(self) -> None:
        """Remove what is not complete."""
        for stream in self.streams:
            stream.discard()

    def _write(self, content: bytes) -> None:
        raise NotImplementedError

    def _finish(self) -> None:
        raise NotImplementedError

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: object, error: object, trace: object) -> None:
        if kind is None:
            self.close()
        else:
            self.discard()


class MetaImageWriter(LabelVolumeWriter):
    """``.mha`` (one file) or ``.mhd`` with ``.zraw`` or ``.raw`` beside it; geometry in full double precision."""

    def __init__(self, path: str | Path, *, geometry: VolumeGeometry, compress: bool = True) -> None:
        super().__init__(path, geometry=geometry)
        self.compressor = zlib.compressobj(COMPRESSION) if compress else None
        self.single = self.path.suffix == ".mha"
        self.written = 0
        self.data_path = self.path if self.single else self.path.with_suffix(".zraw" if compress else ".raw")
        self.data = StreamedFile(self.data_path)
        self.streams = [self.data]
        if self.single:
            self.data.write(self._header(0))

    def _write(self, content: bytes) -> None:
        self._put(self.compressor.compress(content) if self.compressor else content)

    def _put(self, content: bytes) -> None:
        self.data.write(content)
        self.written += len(content)

    def _finish(self) -> None:
        if self.compressor:
            self._put(self.compressor.flush())
        header = self._header(self.written)
        if self.single:
            self.data.file.seek(0)
            self.data.write(header)  # of the same length: the size is padded
            self.data.finish()
            return
        head = StreamedFile(self.path)
        self.streams.append(head)
        head.write(header)
        self.data.finish()
        head.finish()

    def _header(self, compressed_size: int) -> bytes:
        slices, height, width = self.geometry.size_NHW
        # MetaImage lists the direction of one index axis after the other: the columns of ITK's matrix.
        direction = [value for column in zip(*self.geometry.direction, strict=True) for value in column]
        lines = {
            "ObjectType": "Image",
            "NDims": "3",
            "BinaryData": "True",
            "BinaryDataByteOrderMSB": "False",
            "CompressedData": str(self.compressor is not None),
            **({"CompressedDataSize": f"{compressed_size:0{SIZE_DIGITS}d}"} if self.compressor else {}),
            "TransformMatrix": _numbers(direction),
            "Offset": _numbers(self.geometry.origin_xyz),
            "CenterOfRotation": "0 0 0",
            "AnatomicalOrientation": "RAI",
            "ElementSpacing": _numbers(self.geometry.spacing_xyz),
            "DimSize": f"{width} {height} {slices}",
            "ElementType": "MET_UCHAR",
            "ElementDataFile": "LOCAL" if self.single else self.data_path.name,
        }
        return "".join(f"{key} = {value}\n" for key, value in lines.items()).encode()


class NiftiWriter(LabelVolumeWriter):
    """``.nii.gz`` or ``.nii``, NIfTI-1, qform and sform both from ITK's geometry (LPS to RAS).

    NIfTI-1 holds spacing and origin in single precision: they are the volume's, rounded to that (relative 6e-8).
    NIfTI-2 would hold them in double, but ITK 5.4 cannot read it.
    """

    def __init__(self, path: str | Path, *, geometry: VolumeGeometry) -> None:
        super().__init__(path, geometry=geometry)
        self.stream = StreamedFile(path)
        self.streams = [self.stream]
        self.zip: gzip.GzipFile | None = None
        if self.path.suffix == ".gz":
            self.zip = gzip.GzipFile("", "wb", compresslevel=COMPRESSION, fileobj=self.stream.file, mtime=0)
        with _Explained(self.stream):
            self._write(self._header())

    def _write(self, content: bytes) -> None:
        if self.zip is None:
            self.stream.write(content)
            return
        with _Explained(self.stream):
            self.zip.write(content)

    def _finish(self) -> None:
        if self.zip is not None:
            with _Explained(self.stream):
                self.zip.close()
        self.stream.finish()

    def _header(self) -> bytes:
        import nibabel

        slices, height, width = self.geometry.size_NHW
        if max(self.geometry.size_NHW) > np.iinfo(np.int16).max:
            raise ConfigError(
                f"{self.path.name}: a volume of {self.geometry.size_NHW} voxels",
                expected="at most 32767 along an axis, as NIfTI-1 can hold",
                fix='write MetaImage alone: formats [".mha"]',
            )
        header = nibabel.Nifti1Header()
        header.set_data_shape((width, height, slices))
        header.set_data_dtype(np.uint8)
        header.set_qform(self.geometry.affine_ras, code="scanner")
        header.set_sform(self.geometry.affine_ras, code="scanner")
        header["pixdim"][1:4] = self.geometry.spacing_xyz  # set_qform computes them anew, with a rounding of its own
        header.set_xyzt_units("mm")
        header["magic"], header["vox_offset"] = b"n+1", 352
        header["scl_slope"], header["scl_inter"] = 1, 0
        return header.binaryblock + b"\0\0\0\0"


WRITERS: dict[str, Callable[..., LabelVolumeWriter]] = {
    ".mha": MetaImageWriter,
    ".mhd": MetaImageWriter,
    ".nii.gz": NiftiWriter,
    ".nii": NiftiWriter,
}


def open_writer(path: str | Path, *, geometry: VolumeGeometry) -> LabelVolumeWriter:
    """The writer for a file name.

    Raises:
        ConfigError: unknown suffix.
    """
    for suffix, writer in WRITERS.items():
        if str(path).endswith(suffix):
            return writer(path, geometry=geometry)
    raise ConfigError(
        f"no writer for {Path(path).name}", expected=f"one of {', '.join(WRITERS)}", fix="correct the key `formats`"
    )


def _numbers(values: Any) -> str:
    return " ".join(repr(float(value)) for value in values)


class _Explained:
    """Turns the system's error into one that says what to do, and removes the unfinished file."""

    def __init__(self, stream: StreamedFile) -> None:
        self.stream = stream

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if error is not None:
            self.stream.discard()
        if isinstance(error, OSError):
            text = f"cannot write {self.stream.path}: {error}"
            raise DataError(text, expected=WRITABLE, fix=self.stream.fix) from error
