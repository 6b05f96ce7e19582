"""Pixels out of DICOM files: which transfer syntaxes can be read here, and frames one by one."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from shared.dicom.files import COPY_AGAIN, read_dataset, sop_class_of, unreadable
from shared.errors import DataError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from pydicom.dataset import FileDataset

# What pydicom lists first is not always installable; these decode what nothing here does.
DECODERS = {
    "1.2.840.10008.1.2.4.57": "pylibjpeg and pylibjpeg-libjpeg",
    "1.2.840.10008.1.2.4.70": "pylibjpeg and pylibjpeg-libjpeg",
    "1.2.840.10008.1.2.4.201": "pylibjpeg and pylibjpeg-openjpeg",
    "1.2.840.10008.1.2.4.202": "pylibjpeg and pylibjpeg-openjpeg",
    "1.2.840.10008.1.2.4.203": "pylibjpeg and pylibjpeg-openjpeg",
}


def check_pixels(dataset: FileDataset, *, name: str | Path) -> None:
    """Refuse a file without pixels, or with pixels that nothing installed can decode.

    Raises:
        DataError: naming the transfer syntax's UID, and the package that would decode it where one is known.
    """
    if not dataset.get("Rows") or not dataset.get("Columns") or "PixelData" not in dataset:
        raise DataError(
            f"{name} has no pixel data: it is {sop_class_of(dataset)}",
            expected="a DICOM image with PixelData",
            fix=COPY_AGAIN,
        )
    check_syntax(dataset, name=name)


def check_syntax(dataset: FileDataset, *, name: str | Path) -> None:
    """Refuse a transfer syntax that nothing installed can decode.

    Raises:
        DataError: as of `check_pixels`.
    """
    from pydicom.pixels import get_decoder
    from pydicom.uid import UID, AllTransferSyntaxes

    uid = UID(str(dataset.file_meta.TransferSyntaxUID))
    try:
        decoder = get_decoder(uid)
    except NotImplementedError:
        known = f"{uid.name} ({uid})" if uid in AllTransferSyntaxes else f"the unknown UID {uid}"
        raise DataError(
            f"{name} has the transfer syntax {known}, which nothing can decode here",
            expected="uncompressed, RLE, JPEG, JPEG-LS or JPEG 2000 pixels",
            fix="export it uncompressed (Explicit VR Little Endian), for example with dcmdjpeg or gdcmconv --raw",
        ) from None
    if not decoder.is_available:
        needed = DECODERS.get(str(uid)) or "; ".join(decoder.missing_dependencies)
        raise DataError(
            f"{name} has the transfer syntax {uid.name} ({uid}), for which no decoder is installed",
            expected="a decoder for pydicom",
            fix=f"pip install {needed}; or export the file uncompressed (Explicit VR Little Endian)",
        )


def decode_frame(dataset: FileDataset, number: int, *, name: str | Path) -> NDArray[np.generic]:
    """One frame from a data set in memory, ``[H, W]`` or ``[H, W, 3]``; YBR becomes RGB, else as stored.

    Raises:
        DataError: damaged or missing pixels.
    """
    from pydicom.pixels import pixel_array

    return _explained(lambda: pixel_array(dataset, index=number), name)


def iterate_frames(path: str | Path) -> Iterator[NDArray[np.generic]]:
    """All frames of a file, one in memory at a time (of a deflated file, which can only be inflated whole, all).

    Raises:
        DataError: damaged or missing pixels.
    """
    from pydicom.pixels import iter_pixels

    header = read_dataset(path, name=path, pixels=False)
    deflated = bool(header.file_meta.TransferSyntaxUID.is_deflated)
    source = read_dataset(path, name=path) if deflated else str(path)
    frames = _explained(lambda: iter_pixels(source), path)
    while (frame := _explained(lambda: next(frames, None), path)) is not None:
        yield frame


def _explained(work: Any, name: str | Path) -> Any:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return work()
    except Exception as error:  # decoders of many packages, each with errors of its own
        cause = " ".join(str(error).split())[:300]
        raise unreadable(name, f"its pixels cannot be decoded ({type(error).__name__}: {cause})") from error
