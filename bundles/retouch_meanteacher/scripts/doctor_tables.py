"""What the data set consists of: tables for the reader, and samples for the contact sheet."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import prod
from typing import Any

import numpy as np

from scripts.doctor_headers import Opened
from scripts.doctor_pictures import picture_of
from scripts.doctor_voxels import Look
from scripts.layout import CLASSES
from scripts.nominal import is_nominal
from shared.doctor import NOTE, Diagnosis, Sample, Table

SAMPLES = 3


def add_tables(opened: Sequence[Opened], diagnosis: Diagnosis, *, looks: Mapping[str, Look] | None = None) -> None:
    """Volumes by vendor, and where voxels were read, fluids by vendor."""
    vendors = sorted({scan.vendor for scan, *_ in opened})
    rows = [_vendor_row(vendor, [one for one in opened if one.scan.vendor == vendor]) for vendor in vendors]
    columns = ["vendor", "volumes", "patients", "labelled", "B-scans", "labelled B-scans", "sizes (W x H x N)", "type"]
    if rows:
        diagnosis.tables.append(Table("Volumes", columns, rows))
    fluids = [
        _fluid_row(vendor, number, name, looks or {}) for vendor in vendors for number, name in enumerate(CLASSES, 1)
    ]
    if any(row[2] for row in fluids):
        columns = ["vendor", "fluid", "volumes with it", "of labelled", "B-scans with it", "mean mm^3", "mean voxels"]
        diagnosis.tables.append(Table("Fluids (means over volumes with it)", columns, fluids))


def add_samples(opened: Sequence[Opened], looks: Mapping[str, Look], diagnosis: Diagnosis) -> None:
    """Of every vendor a few volumes of which nothing but notes was said: the B-scan with most fluid."""
    suspicious = {subject for finding in diagnosis.findings if finding.severity != NOTE for subject in finding.subjects}
    for vendor in sorted({scan.vendor for scan, *_ in opened}):
        fine = [
            look
            for look in looks.values()
            if look.opened.scan.vendor == vendor and look.opened.scan.name not in suspicious
        ]
        for place in np.unique(np.linspace(0, len(fine) - 1, min(SAMPLES, len(fine))).astype(int)):
            look = fine[place]
            number = int(look.fluid_N.argmax()) if look.fluid_N.any() else look.opened.volume.num_slices // 2
            labels = [name for value, name in enumerate(CLASSES, 1) if look.voxels.get(value)]
            said = ", ".join(labels) or ("no fluid" if look.opened.reference else "unlabelled")
            caption = f"{look.opened.scan.name}, B-scan {number}: {said}"
            diagnosis.samples.append(Sample(caption, picture_of(look.opened, number)))


def _vendor_row(vendor: str, members: Sequence[Opened]) -> list[Any]:
    labelled = [one for one in members if one.scan.label is not None]
    sizes = sorted({"x".join(map(str, reversed(one.volume.geometry.size_NHW))) for one in members})
    return [
        vendor,
        len(members),
        len({one.scan.patient for one in members}),
        len(labelled),
        sum(one.volume.num_slices for one in members),
        sum(one.volume.num_slices for one in labelled),
        ", ".join(sizes[:3]) + (" ..." if len(sizes) > 3 else ""),
        ", ".join(sorted({str(one.volume.dtype) for one in members})),
    ]


def _fluid_row(vendor: str, number: int, name: str, looks: Mapping[str, Look]) -> list[Any]:
    labelled = [one for one in looks.values() if one.opened.scan.vendor == vendor and one.opened.reference is not None]
    having = [look for look in labelled if look.voxels.get(number)]
    physical = [
        look.voxels[number] * prod(look.opened.volume.spacing)
        for look in having
        if look.opened.volume.physical and not is_nominal(look.opened.scan.image)
    ]
    return [
        vendor,
        f"{number} {name}",
        len(having),
        len(labelled),
        sum(look.bscans[number] for look in having),
        float(np.mean(physical)) if physical else None,
        round(float(np.mean([look.voxels[number] for look in having]))) if having else None,
    ]
