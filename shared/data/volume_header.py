"""Headers of volumes: how many B-scans of what size, where in space, and where their bytes are.

MetaImage headers are read here rather than by ITK: it gives the same numbers (a test compares them), but takes seconds
to import in every loading process, and holds a compressed volume in memory whole. NIfTI's geometry is ITK's.
"""

from __future__ import annotations

import math
import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from shared.data.volume_writing import VolumeGeometry
from shared.dicom.files import is_dicom, stem_of
from shared.errors import DataError

META_SUFFIXES = (".mhd", ".mha")
NIFTI_SUFFIXES = (".nii", ".nii.gz")
VOLUME_SUFFIXES = META_SUFFIXES + NIFTI_SUFFIXES
MAX_HEADER = 65536
MAX_VOXELS = 8_000_000_000
META_TYPES = {
    "MET_CHAR": "i1",
    "MET_UCHAR": "u1",
    "MET_SHORT": "i2",
    "MET_USHORT": "u2",
    "MET_INT": "i4",
    "MET_UINT": "u4",
    "MET_LONG_LONG": "i8",
    "MET_ULONG_LONG": "u8",
    "MET_FLOAT": "f4",
    "MET_DOUBLE": "f8",
}
COPY_AGAIN = "copy or download the volume again, or take it out of the data set"


class VolumeHeader(NamedTuple):
    """What a header says.

    ``physical``: the header gives a spacing, and not one of zeros or ones. ``dtype`` with byte order. The voxels begin
    at byte ``offset`` of ``data_file``, after decompression where ``compressed`` (of ``dicom``: of all frames); values
    are ``voxel * slope + intercept``.
    """

    geometry: VolumeGeometry
    physical: bool
    dtype: np.dtype
    data_file: Path
    offset: int = 0
    compressed: bool = False
    slope: float = 1.0
    intercept: float = 0.0
    dicom: bool = False

    @property
    def num_bytes(self) -> int:
        """Of all voxels."""
        return math.prod(self.geometry.size_NHW) * self.dtype.itemsize


def is_volume_file(path: Path) -> bool:
    """Whether a file is a volume, by its name, or DICOM."""
    return path.name.lower().endswith(VOLUME_SUFFIXES) or is_dicom(path)


def volume_stem(path: Path) -> str:
    """File name without the suffix, of which ``.nii.gz`` is one."""
    name = path.name
    if not name.lower().endswith(VOLUME_SUFFIXES) and is_dicom(path):
        return stem_of(path)
    suffix = next((suffix for suffix in (".nii.gz", *VOLUME_SUFFIXES) if name.lower().endswith(suffix)), path.suffix)
    return name[: len(name) - len(suffix)]


def is_physical(spacing: tuple[float, ...]) -> bool:
    """Whether a spacing can be one in mm: all finite and positive, and not all 1 (nobody's measurement)."""
    return all(math.isfinite(step) and step > 0 for step in spacing) and set(spacing) != {1.0}


def read_header(path: str | Path) -> VolumeHeader:
    """Read the header of a ``.mhd``, ``.mha``, ``.nii``, ``.nii.gz`` or DICOM file.

    Raises:
        DataError: a missing file, another format, a header without sense, or fewer bytes than it promises (where the
            voxels are not compressed).
    """
    path = Path(path)
    if not path.is_file():
        raise DataError(f"there is no volume {path}", expected="a volume file", fix="correct the path")
    if path.name.lower().endswith(META_SUFFIXES):
        header = _read_meta(path)
    elif path.name.lower().endswith(NIFTI_SUFFIXES):
        header = _read_nifti(path)
    elif is_dicom(path):
        from shared.dicom.tomography import read_tomography

        header = read_tomography(path)
    else:
        raise DataError(
            f"{path} is no volume that can be read",
            expected=f"a file ending in {', '.join(VOLUME_SUFFIXES)}, a DICOM file, or a folder of B-scans",
            fix="convert it, for example with ITK or 3D Slicer",
        )
    n, h, w = header.geometry.size_NHW
    if min(n, h, w) < 1 or n * h * w > MAX_VOXELS:
        raise bad_header(path, f"a size of {w}x{h}x{n} voxels")
    if not header.compressed:
        check_bytes(path, header, available=header.data_file.stat().st_size - header.offset)
    return header


def check_bytes(path: Path, header: VolumeHeader, *, available: int) -> None:
    """Refuse a header that promises more than there is."""
    if available < header.num_bytes:
        n, h, w = header.geometry.size_NHW
        raise DataError(
            f"{path} promises {w}x{h}x{n} voxels of {header.dtype.itemsize} bytes ({header.num_bytes} bytes), but "
            f"{header.data_file.name} holds {max(0, available)}",
            expected="as many bytes as the header promises",
            fix=COPY_AGAIN,
        )


def bad_header(path: Path, what: str) -> DataError:
    """The error for a header that makes no sense."""
    return DataError(f"the header of {path} has {what}", expected="a 3-D volume of one channel", fix=COPY_AGAIN)


def _read_meta(path: Path) -> VolumeHeader:
    fields, end = _meta_fields(path)
    try:
        dims = [int(word) for word in fields["dimsize"].split()]
        kind = np.dtype(META_TYPES[fields["elementtype"]])
        data_name = fields["elementdatafile"]
        count = len(dims)
        if count not in (2, 3):
            raise bad_header(path, f"{count} dimensions")
        given = fields.get("elementspacing", fields.get("elementsize"))
        spacing = [float(word) for word in given.split()] if given else [1.0] * count
        origin_text = next((fields[key] for key in ("offset", "position", "origin") if key in fields), "0 " * count)
        origin = [float(word) for word in origin_text.split()]
        rows = next((fields[key] for key in ("transformmatrix", "rotation", "orientation") if key in fields), "")
        matrix = np.array([float(word) for word in rows.split()] or np.eye(count)).reshape(count, count)
        header_size = int(fields.get("headersize", "0"))
        channels = int(fields.get("elementnumberofchannels", "1"))
    except DataError:
        raise
    except (KeyError, ValueError) as error:
        raise bad_header(path, f"no usable entry for {error}") from error
    if (len(spacing), len(origin), channels) != (count, count, 1):
        raise bad_header(path, f"{len(spacing)} spacings, {len(origin)} coordinates and {channels} channels")
    if fields.get("binarydata", "True").lower() != "true" or " " in data_name or data_name.upper() == "LIST":
        raise bad_header(path, f"its voxels in {data_name!r} (text, or a list of files)")
    whole = np.eye(3)
    whole[:count, :count] = matrix
    swapped = fields.get("binarydatabyteordermsb", fields.get("elementbyteordermsb", "False")).lower() == "true"
    dtype = kind.newbyteorder(">" if swapped else "<")
    local = data_name.upper() == "LOCAL"
    data_file = path if local else path.parent / data_name
    if not data_file.is_file():
        raise DataError(
            f"{path} needs {data_name}, which is not there", expected="both beside each other", fix=COPY_AGAIN
        )
    width, height, num_slices = (*dims, 1)[:3]
    geometry = VolumeGeometry(
        (num_slices, height, width),
        _three([*spacing, 1.0]),
        _three([*origin, 0.0]),
        # A row of TransformMatrix is the direction of one axis; ITK's matrix has them as columns.
        nested(whole.T),
    )
    header = VolumeHeader(
        geometry,
        physical=count == 3 and given is not None and is_physical(tuple(spacing)),
        dtype=dtype,
        data_file=data_file,
        offset=end if local else header_size,
        compressed=fields.get("compresseddata", "False").lower() == "true",
    )
    if header_size == -1:
        header = header._replace(offset=max(0, data_file.stat().st_size - header.num_bytes))
    return header


def _meta_fields(path: Path) -> tuple[dict[str, str], int]:
    """Entries by lower-case name, and where the header ends."""
    fields: dict[str, str] = {}
    with path.open("rb") as file:
        while "elementdatafile" not in fields:
            line = file.readline(MAX_HEADER)
            key, equals, value = line.decode("latin-1").partition("=")
            if not equals or file.tell() > MAX_HEADER:
                raise bad_header(path, "no ElementDataFile: it is no MetaImage header, or cut off")
            fields[key.strip().lower()] = value.strip()
        return fields, file.tell()


def _read_nifti(path: Path) -> VolumeHeader:
    import itk
    import nibabel

    try:
        image: Any = nibabel.load(path)
        stored = image.dataobj
        shape = tuple(int(length) for length in stored.shape)
        slope, intercept = float(stored.slope), float(stored.inter)
    except (nibabel.filebasedimages.ImageFileError, OSError, EOFError, ValueError, zlib.error) as error:
        raise DataError(f"cannot read {path}: {error}", expected="a NIfTI volume", fix=COPY_AGAIN) from error
    dims = (*shape, 1, 1, 1)
    if len(shape) < 2 or any(length != 1 for length in dims[3:]):
        raise bad_header(path, f"a shape of {shape}")
    io = itk.NiftiImageIO.New()
    io.SetFileName(str(path))
    try:
        io.ReadImageInformation()
    except RuntimeError as error:
        raise bad_header(path, f"a geometry that ITK refuses ({error})") from error
    count = int(io.GetNumberOfDimensions())
    direction = np.eye(3)
    for axis in range(min(count, 3)):
        column = [float(value) for value in io.GetDirection(axis)][:3]
        direction[: len(column), axis] = column
    spacing = [float(io.GetSpacing(axis)) if axis < count else 1.0 for axis in range(3)]
    geometry = VolumeGeometry(
        (dims[2], dims[1], dims[0]),
        _three(spacing),
        _three([float(io.GetOrigin(axis)) if axis < count else 0.0 for axis in range(3)]),
        nested(direction),
    )
    return VolumeHeader(
        geometry,
        physical=count >= 3 and is_physical(tuple(spacing)),
        dtype=np.dtype(stored.dtype),
        data_file=path,
        offset=int(stored.offset),
        compressed=path.name.lower().endswith(".gz"),
        slope=slope,
        intercept=intercept,
    )


def nested(matrix: NDArray[np.float64]) -> tuple[tuple[float, float, float], ...]:
    """A 3x3 matrix as plain numbers."""
    return tuple(_three(row) for row in matrix.tolist())


def _three(values: Sequence[float]) -> tuple[float, float, float]:
    return float(values[0]), float(values[1]), float(values[2])
