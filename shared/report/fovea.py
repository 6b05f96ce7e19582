"""Fluid around the fovea: where it lies is read from a table, circles are those of the ETDRS grid."""

from __future__ import annotations

import csv
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from shared.errors import DataError

DIAMETERS_MM = (1.0, 3.0, 6.0)
DEFINITION = (
    "absolute volume difference of the fluid inside a circle of that DIAMETER (1, 3 and 6 mm: the ETDRS grid) around "
    "the fovea, seen from the front, over all depths; mean over the volumes whose fovea and voxel size are known"
)


class Fovea(NamedTuple):
    """Position of the fovea: distance in mm from the centre of the first A-scan, and index of the B-scan from 0."""

    x_mm: float
    slice: float


def read_fovea(path: str | Path, *, volumes: Sequence[Mapping[str, Any]]) -> dict[str, Fovea]:
    """Read positions from CSV or JSON.

    Args:
        path: CSV with the columns ``name``, ``slice``, and ``x_mm`` or ``column`` (A-scan, from 0); or JSON: a list of
            objects with these keys, also under ``volumes``, or an object of objects by name. A ``fovea`` object inside
            an entry is unfolded.
        volumes: volume items; positions of others are ignored.

    Returns:
        position by volume name, of the volumes that have one.

    Raises:
        DataError: the file is absent or cannot be understood, no name in it is a volume's, a position lies outside its
            volume, or a volume has no voxel size in mm.
    """
    path = Path(path)
    rows = _rows(path)
    items = {str(item["name"]): item for item in volumes}
    positions = {}
    for row in rows:
        item = items.get(str(row.get("name", "")))
        if item is None:
            continue
        if not item["physical"]:
            raise DataError(
                f"{path}: {row['name']} has a position of the fovea, but no known voxel size",
                expected="volumes with a measured spacing: a circle in mm means nothing on the others",
                fix="leave this volume out of the table, or evaluate without the key `fovea`",
            )
        position = _position(row, item, path)
        _, width = item["size"]
        column = position.x_mm / float(item["spacing"][2])
        if not (0 <= column <= width - 1 and 0 <= position.slice <= item["num_slices"] - 1):
            raise DataError(
                f"{path}: the fovea of {row['name']} lies at column {column:.1f}, B-scan {position.slice:g}",
                expected=f"columns 0..{width - 1} and B-scans 0..{item['num_slices'] - 1}, counted from 0",
                fix="correct the table",
            )
        positions[str(row["name"])] = position
    if not positions:
        known = ", ".join(list(items)[:3])
        raise DataError(
            f"{path}: none of its {len(rows)} names is a volume of this evaluation",
            expected=f"names such as {known}",
            fix="use the names that per_volume.csv has",
        )
    return positions


def circles(
    fovea: Fovea, *, index: int, width: int, spacing: Sequence[float], diameters_mm: Sequence[float] = DIAMETERS_MM
) -> npt.NDArray[np.bool_]:
    """Which A-scans of a B-scan have their centre inside each circle, ``[R, W]``.

    Args:
        fovea: the centre.
        index: of the B-scan.
        width: A-scans.
        spacing: (z, y, x) in mm.
        diameters_mm: R diameters.
    """
    along_W = np.arange(width) * spacing[2] - fovea.x_mm
    across = (index - fovea.slice) * spacing[0]
    radii_R = np.asarray(diameters_mm, np.float64) / 2
    return np.asarray(np.hypot(along_W, across) <= radii_R[:, None])


def fluid_inside(
    truth_HW: npt.NDArray, predicted_HW: npt.NDArray, inside_RW: npt.NDArray[np.bool_], *, num_classes: int
) -> npt.NDArray[np.int64]:
    """True and predicted voxels of each fluid inside the circles, ``[R, F, 2]``."""
    columns_FW2 = np.stack(
        [np.stack([(labels == fluid).sum(0) for labels in (truth_HW, predicted_HW)], -1)
         for fluid in range(1, num_classes)]
    )  # fmt: skip
    return np.einsum("rw,fwt->rft", inside_RW.astype(np.int64), columns_FW2)


def _rows(path: Path) -> list[dict[str, Any]]:
    wanted = "CSV with the columns name, slice and x_mm (or column), or JSON with the same keys"
    try:
        text = path.read_text(encoding="utf-8-sig")
        if path.suffix.lower() != ".json":
            return list(csv.DictReader(text.splitlines()))
        content = json.loads(text)
    except (OSError, UnicodeError, json.JSONDecodeError) as error:
        raise DataError(
            f"cannot read the positions of the fovea: {error}", expected=wanted, fix=f"check {path}"
        ) from error
    if isinstance(content, Mapping) and isinstance(content.get("volumes"), (list, Mapping)):
        content = content["volumes"]
    if isinstance(content, Mapping):
        content = [{"name": name} | dict(row) for name, row in content.items() if isinstance(row, Mapping)]
    if not isinstance(content, list) or not all(isinstance(row, Mapping) for row in content):
        raise DataError(f"{path} holds a {type(content).__name__}", expected=wanted, fix="correct the file")
    return [dict(row) | (dict(row["fovea"]) if isinstance(row.get("fovea"), Mapping) else {}) for row in content]


def _position(row: Mapping[str, Any], item: Mapping[str, Any], path: Path) -> Fovea:
    try:
        if row.get("x_mm") not in (None, ""):
            return Fovea(float(row["x_mm"]), float(row["slice"]))
        return Fovea(float(row["column"]) * float(item["spacing"][2]), float(row["slice"]))
    except (KeyError, TypeError, ValueError) as error:
        raise DataError(
            f"{path}: {row.get('name')}: no usable {error}",
            expected="numbers in slice, and in x_mm or column",
            fix="correct the table",
        ) from error
