"""Everything found in one volume, gathered B-scan by B-scan: volumes of fluid, thickness seen from the front."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from shared.data.volume_writing import VolumeGeometry
from shared.files import write_text

MICROMETRES, PIXELS = "um", "pixels"


class VolumeFindings:
    """Counts of each fluid by B-scan and A-scan: two bytes per A-scan and fluid, whatever the depth.

    Args:
        geometry: of the volume.
        physical: whether its spacing is in mm; nothing is said in mm, um or mm^3 where not.
        classes: names of classes 1..F.
    """

    def __init__(self, *, geometry: VolumeGeometry, physical: bool, classes: Sequence[str]) -> None:
        self.geometry, self.physical, self.classes = geometry, physical, list(classes)
        slices, height, width = geometry.size_NHW
        kind = np.uint16 if height <= np.iinfo(np.uint16).max else np.uint32
        self.depth_FNW: npt.NDArray[Any] = np.zeros((len(self.classes), slices, width), kind)

    def add(self, number: int, labels_HW: npt.NDArray[np.uint8]) -> int:
        """Count B-scan ``number``; returns its voxels with any fluid."""
        for position in range(len(self.classes)):
            self.depth_FNW[position, number] = np.count_nonzero(labels_HW == position + 1, axis=0)
        return int(self.depth_FNW[:, number].sum(dtype=np.int64))

    @property
    def unit(self) -> str:
        """Of thickness."""
        return MICROMETRES if self.physical else PIXELS

    @property
    def voxel_mm3(self) -> float | None:
        """Volume of a voxel, where known."""
        return float(np.prod(self.geometry.spacing_xyz)) if self.physical else None

    @property
    def extent_mm(self) -> tuple[float, float] | None:
        """Width along a B-scan and height across B-scans, where known."""
        if not self.physical:
            return None
        slices, _, width = self.geometry.size_NHW
        return width * self.geometry.spacing_xyz[0], slices * self.geometry.spacing_xyz[2]

    def thickness(self, fluid: str) -> npt.NDArray[np.float64]:
        """En-face map ``[N, W]``: added over depth, in `unit`."""
        scale = self.geometry.spacing_xyz[1] * 1000 if self.physical else 1.0
        return self.depth_FNW[self.classes.index(fluid)].astype(np.float64) * scale

    def describe(self) -> dict[str, Any]:
        """By fluid: voxels, mm^3, B-scans that have it, the one with most, thickness; ``None`` where not known."""
        central = self.geometry.size_NHW[0] // 2
        found = {}
        for position, fluid in enumerate(self.classes):
            voxels_N = self.depth_FNW[position].sum(1, dtype=np.int64)
            total = int(voxels_N.sum())
            found[fluid] = {
                "voxels": total,
                "volume_mm3": None if self.voxel_mm3 is None else round(total * self.voxel_mm3, 6),
                "bscans": int(np.count_nonzero(voxels_N)),
                "bscan_with_most": int(voxels_N.argmax()) if total else None,
                "voxels_in_central_bscan": int(voxels_N[central]),
                f"max_thickness_{self.unit}": round(float(self.thickness(fluid).max()), 3),
                "voxels_by_bscan": voxels_N,
            }
        return found

    def write_thickness(self, fluid: str, path: str | Path) -> Path:
        """CSV: a line per B-scan, a column per A-scan."""
        thickness_NW = self.thickness(fluid)
        text = io.StringIO()
        text.write("bscan," + ",".join(str(column) for column in range(thickness_NW.shape[1])) + "\n")
        for number, row_W in enumerate(thickness_NW):
            text.write(f"{number}," + ",".join(f"{value:.6g}" for value in row_W) + "\n")
        return write_text(path, text.getvalue())


def volume_row(name: str, findings: Mapping[str, Any]) -> dict[str, Any]:
    """One line of ``summary.csv`` from the content of a volume's JSON."""
    row: dict[str, Any] = {"name": name, "volume": findings["volume"], "source": findings["source"]}
    row |= dict(zip(("bscans", "height", "width"), findings["size"], strict=True))
    row["physical"] = findings["physical"]
    for fluid, found in findings["fluids"].items():
        row |= {f"{fluid}_{key}": value for key, value in found.items() if key != "voxels_by_bscan"}
    return row


def fluid_text(found: Mapping[str, Any]) -> str:
    """Such as ``0.123 mm3 in 12 B-scans`` or ``not found``."""
    if not found["voxels"]:
        return "not found"
    volume = found["volume_mm3"]
    amount = f"{found['voxels']} voxels" if volume is None else f"{volume:.4g} mm\N{SUPERSCRIPT THREE}"
    return f"{amount} in {found['bscans']} B-scans"
