"""What inference reads: the given volumes, or phantoms."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from scripts.layout import REFERENCE, SCAN, UNKNOWN_VENDOR, canonical_vendor
from scripts.nifti import find_nifti
from scripts.phantoms import ensure_phantoms
from scripts.repackaged import find_repackaged
from scripts.retouch import find_retouch
from scripts.scan import Scan, patient_of
from scripts.volumes import Item, describe
from shared.data.bscan_pictures import PICTURE_SUFFIXES
from shared.data.listing import Listing
from shared.data.volume_header import VOLUME_SUFFIXES, is_volume_file, volume_stem
from shared.errors import DataError
from shared.phantoms import dataset_folder


def volumes(dataset_dir: str, *, workspace: str, phantoms: Mapping[str, Any]) -> Listing:
    """Volumes to infer: items as of `scripts.volumes.describe`, without labels, and those that cannot be read.

    Args:
        dataset_dir: a volume (``.mhd``, ``.mha``, ``.nii``, ``.nii.gz``, DICOM), a folder of B-scans, a data set, any
            folder (searched for volumes and folders of B-scans), or the word "phantoms". References are left out.

    Raises:
        DataError: nothing to infer, or no volume that can be read.
    """
    root = Path(dataset_folder(dataset_dir, workspace=workspace, phantoms=phantoms, ensure_phantoms=ensure_phantoms))
    if not root.exists():
        raise DataError(f"{root} does not exist", expected="a volume, or a folder", fix="correct --dataset_dir")
    scans = _of_data_set(root) or [_scan(path, root) for path in find_volumes(root)]
    if not scans:
        raise DataError(
            f"{root} holds no volume",
            expected=f"files ending in {', '.join(VOLUME_SUFFIXES)}, DICOM, or folders of B-scans",
            fix="correct --dataset_dir",
        )
    items: list[Item] = []
    refused: list[tuple[str, str]] = []
    for scan in scans:
        try:
            items.append(describe(scan._replace(label=None)))
        except DataError as error:
            if len(scans) == 1:
                raise
            refused.append((str(scan.image), error.received))
    if not items:
        raise DataError(
            f"{root}: none of {len(refused)} volumes can be read: {refused[0][1]}",
            expected="whole OCT volumes",
            fix="give others with --dataset_dir",
        )
    return Listing(items, refused)


def _of_data_set(root: Path) -> list[Scan]:
    """Volumes of a layout that is known; none where the pictures of one volume are given."""
    if root.is_file() or has_pictures(root):
        return []
    for find in (find_retouch, find_nifti, find_repackaged):
        found = find(root)
        if found.scans and not found.problems:
            return found.scans
    return []


def has_pictures(folder: Path) -> bool:
    """Whether there are pictures in it, not counting its folders'."""
    return any(path.suffix.lower() in PICTURE_SUFFIXES for path in folder.iterdir())


def find_volumes(root: Path) -> list[Path]:
    """Volume files and folders of pictures at ``root`` or below it, sorted; nothing hidden, no references."""
    if root.is_file():
        return [root]
    folders = [root, *(path for path in root.rglob("*") if path.is_dir())]
    files = [path for folder in folders for path in folder.iterdir() if path.is_file() and is_volume_file(path)]
    found = [path for path in files if volume_stem(path).lower() != REFERENCE]
    found += [folder for folder in folders if has_pictures(folder)]
    return sorted(path for path in found if not any(part.startswith(".") for part in path.relative_to(root).parts))


def _scan(path: Path, root: Path) -> Scan:
    """RETOUCH's ``oct.mhd`` goes by the name of its folder."""
    stem = path.name if path.is_dir() else volume_stem(path)
    named = path.parent if stem.lower() == SCAN else path.parent / stem
    inner = named.relative_to(root) if path != root and named != root else Path(named.name)
    vendor = canonical_vendor(str(inner)) or canonical_vendor(named.parent.name) or UNKNOWN_VENDOR
    return Scan(vendor, patient_of(named.name), inner.as_posix(), path)
