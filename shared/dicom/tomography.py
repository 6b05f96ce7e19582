"""OCT volumes out of DICOM: the header of an Ophthalmic Tomography file, and its frames one after the other."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import IO, TYPE_CHECKING

import numpy as np

from shared.data.volume_header import VolumeHeader
from shared.dicom.decode import check_pixels, decode_frame, iterate_frames
from shared.dicom.files import COPY_AGAIN, read_dataset, sop_class_of, unreadable
from shared.dicom.planes import geometry_of, number_of_frames
from shared.errors import DataError
from shared.files import ELSEWHERE, WRITABLE

if TYPE_CHECKING:
    from pydicom.dataset import FileDataset

OPHTHALMIC_TOMOGRAPHY = "1.2.840.10008.5.1.4.1.1.77.1.5.4"
DEFERRED = 1 << 20


def read_tomography(path: Path) -> VolumeHeader:
    """The header of a single- or multi-frame Ophthalmic Tomography file; its last frame is decoded, so that a file
    that was cut off is found at once.

    Raises:
        DataError: it cannot be read, is no OCT image, or its pixels cannot be decoded.
    """
    dataset = read_dataset(path, name=path, defer=DEFERRED)
    if str(dataset.get("SOPClassUID")) != OPHTHALMIC_TOMOGRAPHY:
        raise DataError(
            f"{path} is {sop_class_of(dataset)}",
            expected=f"Ophthalmic Tomography ({OPHTHALMIC_TOMOGRAPHY})",
            fix="take it out of the folder; photographs are for bundles of photographs",
        )
    check_pixels(dataset, name=path)
    kind, samples = str(dataset.get("PhotometricInterpretation", "")), int(dataset.get("SamplesPerPixel") or 1)
    if samples != 1 or kind not in ("MONOCHROME1", "MONOCHROME2"):
        raise DataError(
            f"{path} has {samples} samples per pixel, {kind or 'no photometric interpretation'}",
            expected="grey B-scans: MONOCHROME2 (or MONOCHROME1)",
            fix=COPY_AGAIN,
        )
    last = decode_frame(dataset, number_of_frames(dataset) - 1, name=path)
    if last.shape != (dataset.Rows, dataset.Columns):
        raise unreadable(path, f"a frame is {last.shape}, not {dataset.Rows}x{dataset.Columns}")
    geometry, physical = geometry_of(dataset, name=path)
    return VolumeHeader(geometry, physical, np.dtype(last.dtype), path, compressed=True, dicom=True)


def unpack_frames(header: VolumeHeader) -> IO[bytes]:
    """All frames decoded into a temporary file that begins with the first voxel; MONOCHROME1 is inverted.

    Raises:
        DataError: damaged pixels, or no space for the temporary file.
    """
    path = header.data_file
    dataset = read_dataset(path, name=path, pixels=False)
    target = tempfile.TemporaryFile(prefix="volume-")  # noqa: SIM115 (the caller closes it)
    count, size = 0, header.geometry.size_NHW
    try:
        for frame_HW in iterate_frames(path):
            if frame_HW.shape != size[1:]:
                raise unreadable(path, f"frame {count} is {frame_HW.shape}, not {size[1:]}")
            target.write(np.ascontiguousarray(_as_monochrome2(frame_HW, dataset), header.dtype).tobytes())
            count += 1
        if count != size[0]:
            raise unreadable(path, f"it holds {count} of {size[0]} frames")
        target.flush()
    except BaseException as error:
        target.close()
        if isinstance(error, OSError):
            fix = f"{ELSEWHERE}; TMPDIR for temporary files (now {tempfile.gettempdir()})"
            raise DataError(f"cannot unpack {path}: {error}", expected=WRITABLE, fix=fix) from error
        raise
    return target


def _as_monochrome2(frame_HW: np.ndarray, dataset: FileDataset) -> np.ndarray:
    if str(dataset.PhotometricInterpretation) == "MONOCHROME2":
        return frame_HW
    return (2 ** int(dataset.BitsStored) - 1) - frame_HW
