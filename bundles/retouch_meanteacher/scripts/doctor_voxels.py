"""Every voxel read once: damaged data, empty B-scans, labels that are no class, B-scans that are there twice."""

from __future__ import annotations

import zlib
from collections import Counter
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from scripts.doctor_headers import Opened
from scripts.doctor_pictures import picture_of
from shared.doctor import ERROR, NOTE, WARNING, Diagnosis
from shared.errors import DataError
from shared.progress import progress_bar

DARK = 0.02  # mean of 0..1; Duke's darkest volume: 0.13
WHITE_SHARE = 0.02
MOST_OF_SCAN = 0.35
SHOWN = 5


class Look(NamedTuple):
    """What one volume shows.

    ``voxels`` and ``bscans``: by class number, how many voxels it has, and B-scans with any. ``fluid_N``: voxels of any
    fluid by B-scan. ``digests``: checksum by B-scan, None for one of a single value. ``brightness``: mean, 0..1.
    """

    opened: Opened
    voxels: Counter[int]
    bscans: Counter[int]
    fluid_N: NDArray[np.int64]
    digests: list[int | None]
    brightness: float


def check_voxels(opened: list[Opened], diagnosis: Diagnosis, *, num_classes: int) -> dict[str, Look]:
    """Read all volumes, B-scan by B-scan; what was seen, by the volume's name."""
    looks: dict[str, Look] = {}
    for volume in progress_bar(opened, desc="reading every voxel", unit="volume"):
        name, fix = volume.scan.name, "replace the file"
        try:
            looks[name] = _look(volume, diagnosis, num_classes=num_classes)
        except DataError as error:
            diagnosis.add(ERROR, "volume that cannot be read", error.received, name, fix=error.fix)
        except Exception as error:  # whatever a damaged file makes the decoder do, the other volumes are looked at
            message = f"reading fails with {type(error).__name__}: {error}"
            diagnosis.add(ERROR, "volume that cannot be read", message, name, fix=fix)
    bare = [look.opened.scan.name for look in looks.values() if look.opened.reference and not look.fluid_N.sum()]
    if bare:
        message = f"{len(bare)} labelled volumes have no fluid at all"
        diagnosis.add(NOTE, "volume without fluid", message, *bare[:SHOWN])
    values = {value for look in looks.values() for value in look.voxels}
    if values - {0} == {1}:
        message = "label 1 is the only one: if it means any fluid, not IRF, train with num_classes 2, classes ['fluid']"
        diagnosis.add(NOTE, "one class of fluid", message)
    return looks


def check_bscans_twice(looks: dict[str, Look], diagnosis: Diagnosis) -> None:
    """The same B-scan, bit by bit, in several volumes: of two patients it would leak between parts."""
    seen: dict[int, str] = {}
    pairs: Counter[tuple[str, str]] = Counter()
    for name, look in looks.items():
        for digest in dict.fromkeys(digest for digest in look.digests if digest is not None):
            other = seen.setdefault(digest, name)
            if other != name:
                pairs[other, name] += 1
        counts = Counter(digest for digest in look.digests if digest is not None)
        if repeated := sum(count - 1 for count in counts.values()):
            message = f"{repeated} B-scans are repeated within the volume"
            diagnosis.add(NOTE, "repeated B-scans", message, name, pictures=[picture_of(look.opened)])
    for (first, second), count in pairs.items():
        both = [looks[name].opened for name in (first, second)]
        alike = both[0].scan.patient == both[1].scan.patient
        message = f"{count} B-scans are the same in both" + (", of one patient" if alike else ", of two patients")
        fix = "remove one, or give both folders the same name up to the number: the patient" if not alike else ""
        pictures = [picture_of(opened) for opened in both]
        severity = NOTE if alike else WARNING
        diagnosis.add(severity, "volumes that share B-scans", message, first, second, fix=fix, pictures=pictures)


def _look(opened: Opened, diagnosis: Diagnosis, *, num_classes: int) -> Look:
    volume, reference = opened.volume, opened.reference
    voxels: Counter[int] = Counter()
    bscans: Counter[int] = Counter()
    fluid_N = np.zeros(volume.num_slices, np.int64)
    digests: list[int | None] = []
    brightness, white, empty = 0.0, 0.0, []
    with volume:
        for place in range(volume.num_slices):
            bscan_HW = volume.read(place, place + 1)[0]
            constant = bool(bscan_HW.min() == bscan_HW.max())
            digests.append(None if constant else zlib.crc32(np.ascontiguousarray(bscan_HW).tobytes()))
            empty += [place] * constant
            brightness += float(bscan_HW.mean()) / volume.top / volume.num_slices
            white += float((bscan_HW >= 0.98 * volume.top).mean()) / volume.num_slices
    if reference is not None:
        with reference:
            for place in range(volume.num_slices):
                values, counts = np.unique(reference.read(place, place + 1)[0], return_counts=True)
                for value, count in zip(values.tolist(), counts.tolist(), strict=True):
                    voxels[value] += count
                    bscans[value] += 1
                    fluid_N[place] += count if value else 0
    look = Look(opened, voxels, bscans, fluid_N, digests, brightness)
    _judge(look, diagnosis, num_classes=num_classes, empty=empty, white=white)
    return look


def _judge(look: Look, diagnosis: Diagnosis, *, num_classes: int, empty: list[int], white: float) -> None:
    opened, name = look.opened, look.opened.scan.name
    if empty:
        message = f"{len(empty)} of {opened.volume.num_slices} B-scans have one value everywhere, such as {empty[0]}"
        pictures = [picture_of(opened, empty[0])]
        diagnosis.add(
            WARNING, "empty B-scan", message, name, fix="take the volume out, or restore it", pictures=pictures
        )
    elif look.brightness < DARK:
        message = f"mean brightness {look.brightness:.3f} of 0..1"
        fix = "export it with the whole range of its number type"
        diagnosis.add(WARNING, "dark volume", message, name, fix=fix, pictures=[picture_of(opened)])
    if white > WHITE_SHARE:
        message = f"{white:.1%} of its voxels are white: bands at the border, or an overexposed scan"
        diagnosis.add(NOTE, "white areas", message, name, pictures=[picture_of(opened)])
    wrong = sorted(value for value in look.voxels if value not in range(num_classes))
    if wrong:
        numbers = ", ".join(f"{value:g} ({look.voxels[value]} voxels)" for value in wrong[:SHOWN])
        message = f"values {numbers}; classes are 0 to {num_classes - 1}"
        fix = "correct the reference (class numbers, not grey values or colours)"
        diagnosis.add(ERROR, "label that is no class", message, name, fix=fix, pictures=[picture_of(opened)])
    elif look.fluid_N.max() > MOST_OF_SCAN * np.prod(opened.volume.size):
        place = int(look.fluid_N.argmax())
        message = f"fluid covers {look.fluid_N[place] / np.prod(opened.volume.size):.0%} of B-scan {place}"
        pictures = [picture_of(opened, place)]
        diagnosis.add(
            WARNING, "most of a B-scan is fluid", message, name, fix="look at the reference", pictures=pictures
        )
    if empty and any(look.fluid_N[place] for place in empty):
        message = "there is fluid in a B-scan that shows nothing"
        diagnosis.add(WARNING, "label on an empty B-scan", message, name, fix="restore the scan")
