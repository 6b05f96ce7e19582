"""A volume's DICOM segmentation, gathered B-scan by B-scan as the other label volumes are."""

from __future__ import annotations

import zlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from shared.data.volume_writing import LabelVolumeWriter, VolumeGeometry
from shared.dicom.segmentation import write_volume_segmentation

FAST = 1


class SegmentationWriter(LabelVolumeWriter):
    """Keeps B-scans compressed until the last one is in, for highdicom takes a volume whole: memory then holds one byte
    for every voxel, besides what highdicom needs.

    Args:
        path: to write.
        geometry: of the volume.
        source: the DICOM volume.
        classes: names of classes 1..F.
        provenance: of the weights.
    """

    def __init__(
        self,
        path: str | Path,
        *,
        geometry: VolumeGeometry,
        source: str | Path,
        classes: Sequence[str],
        provenance: Mapping[str, Any],
    ) -> None:
        super().__init__(path, geometry=geometry)
        self.source, self.classes, self.provenance = source, list(classes), dict(provenance)
        self.kept: list[bytes] = []

    def _write(self, content: bytes) -> None:
        self.kept.append(zlib.compress(content, FAST))

    def _finish(self) -> None:
        labels_NHW = np.empty(self.geometry.size_NHW, np.uint8)
        for labels_HW, content in zip(labels_NHW, self.kept, strict=True):
            labels_HW[:] = np.frombuffer(zlib.decompress(content), np.uint8).reshape(labels_HW.shape)
        self.kept = []
        write_volume_segmentation(
            labels_NHW, self.path, source=self.source, classes=self.classes, provenance=self.provenance
        )
