"""Writes drawn volumes as RETOUCH's training set has them: MetaImage headers beside raw voxels."""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import Any

from scripts.phantoms.plan import FLUIDS, PlannedVolume
from scripts.phantoms.vendors import Scan
from scripts.phantoms.volume import draw_volume, fluid_voxels

_ELEMENTS = {"uint8": "MET_UCHAR", "uint16": "MET_USHORT"}
_COMMENT = "PHANTOM: drawn by a program, not a scan of an eye"
FOVEA_FILE = "foveas.csv"


def volume_folder(planned: PlannedVolume) -> Path:
    """Where the volume lies, relative to the data set's folder."""
    return Path(f"RETOUCH-TrainingSet-{planned.vendor.name}", planned.patient)


def write_volume(
    folder: Path, planned: PlannedVolume, *, scale: float, slice_scale: float, seed: int
) -> dict[str, Any]:
    """Draws a volume and writes `oct.mhd`, `oct.raw` and, where it is labelled, `reference.mhd`, `reference.raw`.

    Memory holds one B-scan at a time.

    Returns:
        what is true of it, as plain JSON types.
    """
    drawn = draw_volume(planned, scale=scale, slice_scale=slice_scale, seed=seed)
    target = folder / volume_folder(planned)
    target.mkdir(parents=True)
    voxels = dict.fromkeys(FLUIDS, 0)
    with contextlib.ExitStack() as stack:
        image = stack.enter_context((target / "oct.raw").open("wb"))
        label = stack.enter_context((target / "reference.raw").open("wb")) if planned.labelled else None
        for image_HW, label_HW in drawn.bscans():
            image.write(image_HW.astype(image_HW.dtype.newbyteorder("<"), copy=False).tobytes())
            if label:
                label.write(label_HW.tobytes())
            for fluid, count in fluid_voxels(label_HW).items():
                voxels[fluid] += count
    (target / "oct.mhd").write_text(header(drawn.scan, dtype=planned.vendor.dtype, data="oct.raw"))
    if planned.labelled:
        (target / "reference.mhd").write_text(header(drawn.scan, dtype="uint8", data="reference.raw"))
    fovea_slice, fovea_column = drawn.fovea
    return {
        "name": planned.name,
        "vendor": planned.vendor.name,
        "patient": planned.patient,
        "labelled": planned.labelled,
        "shape": list(drawn.scan.shape),
        "spacing": list(drawn.scan.spacing),
        "fluids": [fluid for fluid in FLUIDS if voxels[fluid]],
        "fluid_voxels": voxels,
        "fluid_mm3": {fluid: round(count * drawn.scan.voxel_mm3, 6) for fluid, count in voxels.items()},
        "fovea": {"slice": round(fovea_slice, 3), "column": round(fovea_column, 3)},
    }


def header(scan: Scan, *, dtype: str, data: str) -> str:
    """MetaImage header; its axes run columns, rows, B-scans, and its numbers are exact (shortest decimals that give
    the same float64 again)."""
    slices, height, width = scan.shape
    along, deep, across = scan.spacing
    fields = {
        "ObjectType": "Image",
        "NDims": "3",
        "Comment": _COMMENT,
        "BinaryData": "True",
        "BinaryDataByteOrderMSB": "False",
        "CompressedData": "False",
        "TransformMatrix": "1 0 0 0 1 0 0 0 1",
        "Offset": "0 0 0",
        "CenterOfRotation": "0 0 0",
        "ElementSpacing": f"{across!r} {deep!r} {along!r}",
        "DimSize": f"{width} {height} {slices}",
        "AnatomicalOrientation": "RAI",
        "ElementType": _ELEMENTS[dtype],
        "ElementDataFile": data,
    }
    return "".join(f"{key} = {value}\n" for key, value in fields.items())


def write_foveas(folder: Path, facts: list[dict[str, Any]]) -> None:
    """Writes where the foveas are: volume, B-scan and column, both counted from 0."""
    rows = [f"{fact['name']},{fact['fovea']['slice']},{fact['fovea']['column']}" for fact in facts]
    (folder / FOVEA_FILE).write_text("\n".join(["name,slice,column", *rows]) + "\n")
