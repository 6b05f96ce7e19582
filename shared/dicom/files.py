"""DICOM files: told from others without reading them, opened with errors that say what to do."""

from __future__ import annotations

import io
import warnings
from pathlib import Path
from typing import TYPE_CHECKING

from shared.errors import DataError

if TYPE_CHECKING:
    from pydicom.dataset import FileDataset

SUFFIXES = (".dcm", ".dicom", ".dic")
PREAMBLE, MAGIC = 128, b"DICM"
COPY_AGAIN = "export the file again, or take it out of the folder"
# Of every image that the DICOM standard knows; without them nothing can refer to it.
IDENTITY = ("SOPClassUID", "SOPInstanceUID", "StudyInstanceUID", "SeriesInstanceUID")


def has_preamble(content: bytes) -> bool:
    """Whether a file's content begins as DICOM does (PS3.10): 128 bytes of anything, then ``DICM``."""
    return content[PREAMBLE : PREAMBLE + len(MAGIC)] == MAGIC


def is_dicom(path: str | Path) -> bool:
    """Whether a file is meant as DICOM: by its suffix, or by its beginning (132 bytes are read)."""
    path = Path(path)
    if path.suffix.lower() in SUFFIXES:
        return path.is_file()
    try:
        with path.open("rb") as file:
            return has_preamble(file.read(PREAMBLE + len(MAGIC)))
    except OSError:
        return False


def stem_of(path: str | Path) -> str:
    """File name without a DICOM suffix; exported files are often called by numbers with dots in them."""
    path = Path(path)
    return path.stem if path.suffix.lower() in SUFFIXES else path.name


def read_dataset(
    source: str | Path | bytes, *, name: str | Path, pixels: bool = True, defer: int | None = None
) -> FileDataset:
    """Open a DICOM image.

    Args:
        source: a path, or a file's content.
        name: what messages call it.
        pixels: read the pixel data too.
        defer: leave elements of more bytes than this in the file until they are asked for.

    Raises:
        DataError: pydicom is not installed, no DICOM file, a damaged one, or one without what identifies it.
    """
    try:
        import pydicom
    except ImportError as error:
        raise DataError(
            f"{name} is a DICOM file, and pydicom is not installed",
            expected="the packages of the extra `dicom`",
            fix='pip install "monai-eye-bundles[dicom]" (or pydicom and highdicom)',
        ) from error
    content = source if isinstance(source, bytes) else None
    if content is None:
        try:
            with Path(str(source)).open("rb") as file:
                beginning = file.read(PREAMBLE + len(MAGIC))
        except OSError as error:
            raise DataError(f"cannot read {name}: {error}", expected="a DICOM file", fix=COPY_AGAIN) from error
    else:
        beginning = content[: PREAMBLE + len(MAGIC)]
    if not beginning:
        raise unreadable(name, "the file has 0 bytes")
    if not has_preamble(beginning):
        raise unreadable(name, "it has no DICM at byte 128, as every DICOM file does")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            file_like = io.BytesIO(content) if content is not None else str(source)
            dataset = pydicom.dcmread(file_like, stop_before_pixels=not pixels, defer_size=defer)
            missing = [keyword for keyword in IDENTITY if not dataset.get(keyword)]
            if "TransferSyntaxUID" not in dataset.file_meta:
                missing.append("TransferSyntaxUID")
    except Exception as error:  # a parser of damaged files fails in many ways
        raise unreadable(name, f"{type(error).__name__}: {error}") from error
    if missing and dataset.file_meta.get("MediaStorageSOPClassUID") == pydicom.uid.MediaStorageDirectoryStorage:
        raise unreadable(name, f"it is {sop_class_of(dataset)}, a list of files")
    if missing:
        raise unreadable(name, f"it has no {', '.join(missing)}")
    return dataset


def unreadable(name: str | Path, cause: str) -> DataError:
    """The error for a file that is no whole DICOM file."""
    return DataError(f"cannot read {name} as DICOM: {cause}", expected="a whole DICOM file", fix=COPY_AGAIN)


def sop_class_of(dataset: FileDataset) -> str:
    """What a file holds, in words: the name of its SOP class, and its UID."""
    uid = dataset.get("SOPClassUID") or dataset.file_meta.get("MediaStorageSOPClassUID", "")
    return f"{getattr(uid, 'name', uid)} ({uid})" if uid else "nothing that is said"


def eye_of(path: str | Path) -> str:
    """Which eye a DICOM file says it shows: "left", "right", or "" (not said, both, or no DICOM file)."""
    if not is_dicom(path):
        return ""
    dataset = read_dataset(path, name=path, pixels=False)
    said = str(dataset.get("ImageLaterality") or dataset.get("Laterality") or "")
    return {"L": "left", "R": "right"}.get(said.strip().upper(), "")
