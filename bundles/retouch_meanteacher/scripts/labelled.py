"""Volumes and B-scans with label maps that a reader has saved, as lists to train and validate on."""

from __future__ import annotations

from pathlib import Path

from scripts.layout import UNKNOWN_VENDOR, canonical_vendor
from scripts.scan import Scan, patient_of
from scripts.volumes import Item, describe
from shared.label.labelled import Labelled, divide, read_labelled
from shared.label.result import volume_suffix

SCAN, LABEL = "scan", "label"


def make_datalist(
    labels_file: str | Path, *, output_dir: str | Path, validation_fraction: float = 0.2, split_seed: int = 0
) -> dict[str, list[Item]]:
    """Make the lists ``labelled``, ``unlabelled`` and ``validation``, and an empty ``test``; items as of
    `scripts.volumes.describe`.

    Images without a saved label are trained on without one. A patient, whom the name tells, is on one side; unlabelled
    scans of those validated on are left out.

    Args:
        labels_file: see `shared.label.labelled`; images are volumes, or pictures of one B-scan.
        output_dir: pictures are linked into folders below it.

    Raises:
        DataError: fewer than two label maps or patients, or a volume or label that cannot be read.
    """
    items = [item for item in read_labelled(labels_file) if item.label or volume_suffix(item.image)]
    groups = [patient_of(item.name) for item in items]
    training, validation = divide(items, fraction=validation_fraction, seed=split_seed, groups=groups)
    held = {patient_of(item.name) for item in validation}
    free = [item for item in items if not item.label and patient_of(item.name) not in held]
    folder = Path(output_dir) / "volumes"
    lists = {"labelled": training, "unlabelled": free, "validation": validation, "test": list[Labelled]()}
    return {part: [_describe(item, folder) for item in members] for part, members in lists.items()}


def _describe(item: Labelled, folder: Path) -> Item:
    image, label = item.image, item.label
    if not volume_suffix(image):
        image = _alone(image, folder / item.name / SCAN)
        label = label if label is None or volume_suffix(label) else _alone(label, folder / item.name / LABEL)
    vendor = canonical_vendor(item.name) or UNKNOWN_VENDOR
    return describe(Scan(vendor, patient_of(item.name), item.name, image, label, gaps=True))


def _alone(picture: Path, folder: Path) -> Path:
    """A folder with that picture alone: a volume of one B-scan."""
    folder.mkdir(parents=True, exist_ok=True)
    link = folder / picture.name
    if not link.is_symlink():
        link.symlink_to(picture)
    return folder
