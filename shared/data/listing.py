"""Any pictures to read: found in a file or folder, those that cannot be read or are not wanted set apart."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

from shared.data.field_of_view import WORK_WIDTH, find_field_of_view
from shared.data.photograph import read_photograph
from shared.dicom.files import is_dicom, stem_of
from shared.errors import DataError
from shared.progress import progress_bar

SUFFIXES = {".jpg", ".jpeg", ".png", ".tif", ".tiff", ".bmp"}
SHOWN = 5


class Listing(NamedTuple):
    """``items`` of a data list (``image``, ``name``), and (path, reason) of the pictures that are ``refused``."""

    items: list[dict[str, Any]]
    refused: list[tuple[str, str]]


def find_photographs(path: str | Path) -> Listing:
    """Find fundus photographs, DICOM among them.

    Every picture is opened once, scaled down, and its field of view looked for.

    Args:
        path: a picture, or a folder that is searched with all its folders (hidden ones excepted).

    Raises:
        DataError: no such path, no picture in it, or none that is a fundus photograph.
    """
    return _find(
        path,
        check=_look_for_field,
        noun="a fundus photograph",
        expected="colour photographs of the retina",
        work="looking for the field of view",
    )


def find_pictures(path: str | Path) -> Listing:
    """Find pictures of any kind; every one is decoded once, scaled down, and refused if it cannot be.

    Args:
        path: as of `find_photographs`.

    Raises:
        DataError: no such path, no picture in it, or none that can be read.
    """
    return _find(path, check=_decode, noun="readable", expected="whole picture files", work="reading pictures")


def _find(path: str | Path, *, check: Callable[[Path], None], noun: str, expected: str, work: str) -> Listing:
    root = Path(path).expanduser()
    kinds = ", ".join(sorted(SUFFIXES))
    if not root.exists():
        raise DataError(
            f"{root} does not exist",
            expected=f"a picture ({kinds}, DICOM) or a folder of them",
            fix="correct --dataset_dir",
        )
    files = [root] if root.is_file() else sorted(file for file in root.rglob("*") if is_picture(file, root))
    if not files:
        raise DataError(
            f"{root} holds no picture", expected=f"files ending in {kinds}, or DICOM", fix="correct --dataset_dir"
        )
    items: list[dict[str, Any]] = []
    refused: list[tuple[str, str]] = []
    for file in progress_bar(files, desc=work, unit="photo", disable=len(files) < 50):
        try:
            check(file)
            stem = stem_of(file) if is_dicom(file) else file.stem
            name = stem if root.is_file() else file.relative_to(root).with_name(stem).as_posix()
            items.append({"image": str(file), "name": name})
        except DataError as error:
            refused.append((str(file), error.received))
    if not items:
        reasons = "; ".join(reason for _, reason in refused[:SHOWN])
        raise DataError(
            f"{root}: none of {len(files)} pictures is {noun}: {reasons}",
            expected=expected,
            fix="give other pictures with --dataset_dir",
        )
    return Listing(items, refused)


def _look_for_field(file: Path) -> None:
    photograph = read_photograph(file, at_least=(1, WORK_WIDTH))
    find_field_of_view(photograph.pixels_HW3, photo_size=photograph.full_size, name=str(file))


def _decode(file: Path) -> None:
    read_photograph(file, at_least=(1, 1))


def is_picture(file: Path, root: Path) -> bool:
    """Whether a file below a folder is a picture, by its name or as DICOM, and not hidden."""
    hidden = any(part.startswith(".") for part in file.relative_to(root).parts)
    return not hidden and file.is_file() and (file.suffix.lower() in SUFFIXES or is_dicom(file))
