"""Headers of every volume: can it be opened, how large is it, where in space, does its reference fit."""

from __future__ import annotations

from collections import Counter
from typing import NamedTuple

import numpy as np

from scripts.doctor_pictures import picture_of
from scripts.layout import UNKNOWN_VENDOR
from scripts.nominal import is_nominal
from scripts.scan import Scan
from scripts.volumes import gaps_of
from shared.data.volume_file import VolumeFile
from shared.doctor import ERROR, NOTE, WARNING, Diagnosis
from shared.errors import DataError
from shared.progress import progress_bar
from shared.transforms.bscan import other_size

EXTENT_MM = {"rows": (0.5, 6.0), "columns": (1.0, 20.0), "B-scans": (0.0, 20.0)}
SHOWN = 5


class Opened(NamedTuple):
    """A volume whose header is sound, and its reference's where that fits (else None)."""

    scan: Scan
    volume: VolumeFile
    reference: VolumeFile | None


def check_headers(scans: list[Scan], diagnosis: Diagnosis) -> list[Opened]:
    """Open everything; what cannot be used is an error and left out."""
    opened: list[Opened] = []
    for scan in progress_bar(scans, desc="headers", unit="volume", disable=len(scans) < 100):
        try:
            volume = VolumeFile(scan.image, allow_gaps=scan.gaps)
        except DataError as error:
            diagnosis.add(ERROR, "volume that cannot be read", error.received, scan.name, fix=error.fix)
            continue
        reference = _reference(scan, volume, diagnosis)
        opened.append(Opened(scan, volume, reference))
        _check_place(opened[-1], diagnosis)
        if volume.num_slices == 1:
            message = "one B-scan only: it has no neighbours, and no thickness map"
            diagnosis.add(NOTE, "volume of one B-scan", message, scan.name, pictures=[picture_of(opened[-1])])
        if gaps := gaps_of(volume):
            message = f"{len(gaps)} B-scans are missing ({', '.join(map(str, gaps[:SHOWN]))} ...)"
            fix = "add them: neighbouring B-scans and volumes in mm are wrong without"
            diagnosis.add(WARNING, "gaps in numbering", message, scan.name, fix=fix)
    _check_set(opened, diagnosis)
    return opened


def _reference(scan: Scan, volume: VolumeFile, diagnosis: Diagnosis) -> VolumeFile | None:
    if scan.label is None:
        return None
    try:
        reference = VolumeFile(scan.label, label=True, allow_gaps=scan.gaps)
    except DataError as error:
        diagnosis.add(ERROR, "reference that cannot be read", error.received, scan.name, fix=error.fix)
        return None
    size, own = volume.geometry.size_NHW, reference.geometry.size_NHW
    if own != size:
        misfit = other_size(scan.label, own, scan.image, size)
        diagnosis.add(ERROR, "reference of another size", misfit.received, scan.name, fix=misfit.fix)
        return None
    same = all(
        np.allclose(np.asarray(one), np.asarray(other), rtol=1e-3, atol=1e-6)
        for one, other in zip(reference.geometry[1:], volume.geometry[1:], strict=True)
    )
    if not same:
        message = f"spacing {reference.geometry.spacing_xyz}, its scan's {volume.geometry.spacing_xyz} (x, y, z)"
        fix = "the scan's geometry is used; make sure that the reference is not shifted"
        diagnosis.add(WARNING, "reference with another geometry", message, scan.name, fix=fix)
    return reference


def _check_place(opened: Opened, diagnosis: Diagnosis) -> None:
    """Spacing that is none, or that makes a scan larger or smaller than any scanner's."""
    scan, volume, _ = opened
    if is_nominal(scan.image):
        message = "its B-scans were picked at uneven distances (index.json): volumes are given in voxels"
        diagnosis.add(NOTE, "nominal spacing", message, scan.name)
    elif not volume.physical and volume.header is not None:
        message = f"spacing {volume.geometry.spacing_xyz} (x, y, z): volumes are given in voxels, not in mm"
        fix = "export with the scanner's spacing, if volumes in mm are wanted"
        diagnosis.add(WARNING, "spacing that is none", message, scan.name, fix=fix)
    elif volume.physical:
        z, y, x = (step * count for step, count in zip(volume.spacing, volume.geometry.size_NHW, strict=True))
        for name, extent in (("rows", y), ("columns", x), ("B-scans", z)):
            low, high = EXTENT_MM[name]
            if not low <= extent <= high:
                message = f"its {name} cover {extent:.3g} mm, expected {low:g} to {high:g}"
                fix = "spacing is in mm: divide micrometres by 1000"
                diagnosis.add(WARNING, "implausible spacing", message, scan.name, fix=fix)


def _check_set(opened: list[Opened], diagnosis: Diagnosis) -> None:
    bare = [scan.name for scan, *_ in opened if scan.label is None]
    if bare:
        message = f"{len(bare)} of {len(opened)} volumes count as unlabelled"
        diagnosis.add(NOTE, "volume without reference", message, *_names(bare))
    if opened and len(bare) == len(opened):
        fix = "add references, or use the folder as unlabelled_dir"
        diagnosis.add(WARNING, "no labels at all", "no volume has a reference: nothing can be learned", fix=fix)
    pictures = [scan.name for scan, volume, _ in opened if volume.pictures]
    if pictures:
        message = f"{len(pictures)} volumes are folders of pictures, without spacing: volumes are given in voxels"
        diagnosis.add(NOTE, "no spacing in pictures", message)
    if strangers := [scan.name for scan, *_ in opened if scan.vendor == UNKNOWN_VENDOR]:
        message = "the vendor is not in their names: they are split as if of one"
        diagnosis.add(NOTE, "unknown vendor", message, *_names(strangers))
    labelled = Counter(vendor for vendor, _ in {(s.vendor, s.patient) for s, *_ in opened if s.label is not None})
    for vendor, count in sorted(labelled.items()):
        if count == 1:
            message = f"one labelled patient only: {vendor} is in training or in validation, never in both"
            diagnosis.add(NOTE, "vendor with one labelled patient", message, vendor)


def _names(names: list[str]) -> list[str]:
    return [*names[:SHOWN], f"and {len(names) - SHOWN} more"] if len(names) > SHOWN else names
