"""One volume's files, while its B-scans come in."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from shared.data.volume_file import VolumeFile
from shared.data.volume_writing import LabelVolumeWriter, open_writer
from shared.dicom.files import is_dicom
from shared.draw.bscans import draw_bscan_strip
from shared.draw.overlay import fitted_size
from shared.draw.volumes import draw_thickness_map
from shared.errors import DataError
from shared.metrics.bscan_outcome import BScanOutcome, restore
from shared.report.files import write_json
from shared.report.names import absolute
from shared.report.volume_findings import MICROMETRES, VolumeFindings, fluid_text
from shared.report.volume_pictures import as_bytes

FORMATS = (".mha", ".nii.gz")
LONGEST = 640
Bytes = npt.NDArray[np.uint8]


class VolumeOutput:
    """Label volumes grow with every B-scan; maps, pictures and JSON follow the last one.

    Args:
        item: of the volume; size, spacing, origin and direction are read from its file.
        name: of its output files.
        output_dir: folder.
        classes: names of classes 1..F.
        formats: suffixes of label volumes.
        provenance: for the JSON; where ``phantom`` is set, pictures say so.
        pictures: whether any are drawn.
    """

    def __init__(
        self,
        item: Mapping[str, Any],
        *,
        name: str,
        output_dir: Path,
        classes: Sequence[str],
        formats: Sequence[str],
        provenance: Mapping[str, Any],
        pictures: bool = True,
    ) -> None:
        self.item, self.name, self.output_dir, self.provenance = item, name, output_dir, dict(provenance)
        self.pictures = pictures
        with VolumeFile(item["image"], allow_gaps=True) as volume:  # gaps were the data list's to refuse
            self.geometry = volume.geometry
            physical = bool(item["physical"] and volume.physical)
        self.findings = VolumeFindings(geometry=self.geometry, physical=physical, classes=classes)
        self.count, self._most = 0, -1
        self._shown: dict[str, tuple[int, Bytes, Bytes]] = {}
        self.writers: dict[str, LabelVolumeWriter] = {}
        self.segmentation: LabelVolumeWriter | None = None
        self.problem = ""
        try:
            for suffix in formats:
                path = output_dir / "volumes" / f"{name}{suffix}"
                self.writers[suffix] = open_writer(path, geometry=self.geometry)
            if is_dicom(item["image"]):
                self.segmentation = self._open_segmentation()
        except BaseException:
            self.discard()
            raise

    @property
    def classes(self) -> list[str]:
        """Names of classes 1..F."""
        return self.findings.classes

    @property
    def is_complete(self) -> bool:
        """Whether every B-scan came."""
        return self.count == self.geometry.size_NHW[0]

    def add(self, outcome: BScanOutcome, labels_HW: Bytes) -> None:
        """Write the next B-scan.

        Raises:
            DataError: it is not the next one, or has another size than the volume's.
        """
        if outcome.number != self.count or labels_HW.shape != self.geometry.size_NHW[1:]:
            raise DataError(
                f"B-scan {outcome.number} of {self.item['name']} came, of size {labels_HW.shape}",
                expected=f"B-scan {self.count} of size {self.geometry.size_NHW[1:]}",
                fix="let the loader go through whole volumes in order, without a sampler",
            )
        for writer in (*self.writers.values(), *([self.segmentation] if self.segmentation else [])):
            writer.append(labels_HW)
        fluid = self.findings.add(self.count, labels_HW)
        if self.count == self.geometry.size_NHW[0] // 2:
            self._show("central", outcome, labels_HW)
        if fluid > self._most:
            self._most = fluid
            self._show("most fluid", outcome, labels_HW)
        self.count += 1

    def finish(self) -> Path:
        """Complete the label volumes, write all other files, and the JSON last; returns its path.

        Where no DICOM segmentation can be made of a DICOM volume, `problem` says why, and all else is written.
        """
        # The JSON of an earlier run vouches for files that are replaced now.
        report = self.output_dir / "json" / f"{self.name}.json"
        report.unlink(missing_ok=True)
        for writer in self.writers.values():
            writer.close()
        found = self.findings.describe()
        files = {f"labels{suffix}": f"volumes/{self.name}{suffix}" for suffix in self.writers}
        files |= self._finish_segmentation()
        for fluid in self.classes:
            files |= self._write_thickness(fluid, fluid_text(found[fluid]))
        if self.pictures:
            files["overview"] = self._draw_overview({fluid: fluid_text(found[fluid]) for fluid in self.classes})
        content = {
            "volume": self.item["name"],
            "source": absolute(self.item["image"]),
            "size": self.geometry.size_NHW,
            "spacing_zyx_mm": self.geometry.spacing_xyz[::-1] if self.findings.physical else None,
            "physical": self.findings.physical,
            "central_bscan": self.geometry.size_NHW[0] // 2,
            "classes": {fluid: position for position, fluid in enumerate(self.classes, start=1)},
            "fluids": found,
            "provenance": self.provenance,
            "files": files,
        }
        return write_json(report, content)

    def discard(self) -> None:
        """Remove label volumes that are not complete."""
        for writer in self.writers.values():
            writer.discard()

    def _open_segmentation(self) -> LabelVolumeWriter:
        from shared.dicom.volume_writer import SegmentationWriter

        return SegmentationWriter(
            self.output_dir / "segmentations" / f"{self.name}.dcm",
            geometry=self.geometry,
            source=self.item["image"],
            classes=self.classes,
            provenance=self.provenance,
        )

    def _finish_segmentation(self) -> dict[str, str]:
        if self.segmentation is None:
            return {}
        from shared.dicom.segmentation import NoSegmentationError

        try:
            self.segmentation.close()
        except NoSegmentationError as error:
            self.problem = f"read, but without a DICOM segmentation: {error.received}"
            return {}
        return {"dicom_seg": f"segmentations/{self.name}.dcm"}

    def _show(self, label: str, outcome: BScanOutcome, labels_HW: Bytes) -> None:
        if not self.pictures:
            return
        height, width = fitted_size(outcome.native_size, LONGEST)
        rows = ((np.arange(height) + 0.5) * labels_HW.shape[0] / height).astype(int)
        columns = ((np.arange(width) + 0.5) * labels_HW.shape[1] / width).astype(int)
        scan_hw = np.zeros((height, width), np.float32)
        if outcome.image_hw is not None:
            image_1hw = torch.from_numpy(np.ascontiguousarray(outcome.image_hw))[None]
            scan_hw = restore(image_1hw, (height, width))[0].numpy()
        self._shown[label] = outcome.number, as_bytes(scan_hw), labels_HW[np.ix_(rows, columns)].copy()

    def _write_thickness(self, fluid: str, text: str) -> dict[str, str]:
        base = f"thickness/{self.name}_{fluid}"
        self.findings.write_thickness(fluid, self.output_dir / f"{base}.csv")
        if not self.pictures:
            return {f"thickness_{fluid}_csv": f"{base}.csv"}
        draw_thickness_map(
            self.findings.thickness(fluid),
            self.output_dir / f"{base}.png",
            extent_mm=self.findings.extent_mm,
            unit="\N{MICRO SIGN}m" if self.findings.unit == MICROMETRES else self.findings.unit,
            title=f"{self.name}: {fluid}, {text}",
            phantom=bool(self.provenance.get("phantom")),
        )
        return {f"thickness_{fluid}_{kind}": f"{base}.{kind}" for kind in ("csv", "png")}

    def _draw_overview(self, texts: Mapping[str, str]) -> str:
        path = f"overviews/{self.name}.png"
        scans: dict[int, tuple[str, Bytes, Bytes]] = {}
        for label, (number, scan, labels) in sorted(self._shown.items()):
            both = f"{scans[number][0]}, {label}" if number in scans else f"B-scan {number}: {label}"
            scans[number] = both, scan, labels
        draw_bscan_strip(
            list(scans.values()),
            self.output_dir / path,
            classes=self.classes,
            title=self.name,
            labels={fluid: f"{fluid}: {text}" for fluid, text in texts.items()},
            phantom=bool(self.provenance.get("phantom")),
        )
        return path
