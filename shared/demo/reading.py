"""One result of a bundle as layers over a picture, painted anew for every choice of layers and B-scan."""

from __future__ import annotations

import io
import json
from collections.abc import Collection, Mapping
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image

from shared.data.photograph import read_photograph
from shared.data.volume_file import VolumeFile
from shared.draw.boxes import FOUND, paint_box
from shared.draw.look import Photograph, colour_of
from shared.draw.overlay import fitted_size, paint_masks, shrink_mask, shrink_photograph
from shared.errors import DataError
from shared.report.volume_pictures import as_bytes

LONGEST, SHORTEST = 1280, 640
MASK, LABELS, BOX = "mask_", "labels.mha", "head_box"


class Reading:
    """What a bundle found in one file.

    Args:
        source: the photograph, volume, or folder with one B-scan.
        results: the folder that inference wrote, with one ``json/NAME.json``.

    Raises:
        DataError: inference wrote no JSON or several.
    """

    def __init__(self, source: Path, results: Path) -> None:
        found = sorted((results / "json").glob("*.json"))
        if len(found) != 1:
            raise DataError(f"{len(found)} results for one file", expected="one", fix="give one photograph or volume")
        self.source, self.results, self.json = source, results, found[0]
        self.findings: dict[str, Any] = json.loads(found[0].read_text(encoding="utf-8"))
        files: Mapping[str, str] = self.findings.get("files", {})
        self.masks = {key.removeprefix(MASK): results / path for key, path in files.items() if key.startswith(MASK)}
        self.labels = results / files[LABELS] if LABELS in files else None
        self.classes: dict[str, int] = self.findings["classes"] if self.labels else {}

    @property
    def name(self) -> str:
        """Of the JSON, which is that of the file."""
        return self.json.stem

    @property
    def layers(self) -> list[str]:
        """What can be switched on and off."""
        box = [BOX] if self.findings.get(BOX) else []
        return [*(self.classes or self.masks), *box]

    @property
    def colours(self) -> dict[str, str]:
        """Of the layers, ``#rrggbb``."""
        names = list(self.classes or self.masks)
        return {name: FOUND if name == BOX else colour_of(name, names) for name in self.layers}

    @property
    def num_slices(self) -> int:
        """B-scans of a volume; 0 for a photograph."""
        return int(self.findings["size"][0]) if self.labels else 0

    @property
    def best_slice(self) -> int:
        """The B-scan with most of what was found; the central one where nothing was."""
        fluids = self.findings.get("fluids", {}).values()
        counts = [fluid["voxels_by_bscan"] for fluid in fluids if "voxels_by_bscan" in fluid]
        total = np.sum(counts, axis=0) if counts else np.zeros(1)
        return int(np.argmax(total)) if total.any() else int(self.findings.get("central_bscan", 0))

    def paint(self, layers: Collection[str], *, number: int = 0) -> Photograph:
        """The picture, RGB uint8 [H, W, 3], with these layers; of a volume the B-scan ``number``."""
        picture_HW3, masks = self._bscan(number) if self.labels else (self._photograph, self._photograph_masks)
        painted = paint_masks(
            picture_HW3, {name: mask for name, mask in masks.items() if name in layers}, names=list(masks)
        )
        if BOX in layers and self.findings.get(BOX):
            scale = painted.shape[1] / self.findings["width"], painted.shape[0] / self.findings["height"]
            painted = paint_box(painted, np.array(list(self.findings[BOX].values())) * (scale * 2), colour=FOUND)
        return painted

    def jpeg(self, layers: Collection[str], *, number: int = 0) -> bytes:
        """`paint` as a JPEG file."""
        file = io.BytesIO()
        Image.fromarray(self.paint(layers, number=number)).save(file, format="JPEG", quality=92)
        return file.getvalue()

    @cached_property
    def _photograph(self) -> Photograph:
        photo_HW3 = read_photograph(self.source).pixels_HW3
        return shrink_photograph(photo_HW3, shown_size(photo_HW3.shape[:2]))

    @cached_property
    def _photograph_masks(self) -> dict[str, npt.NDArray[np.bool_]]:
        size = (self._photograph.shape[0], self._photograph.shape[1])
        return {name: shrink_mask(np.asarray(Image.open(path)) > 0, size) for name, path in self.masks.items()}

    @cached_property
    def _volume(self) -> VolumeFile:
        return VolumeFile(self.source, allow_gaps=True)

    def _bscan(self, number: int) -> tuple[Photograph, dict[str, npt.NDArray[np.bool_]]]:
        number = min(max(number, 0), self.num_slices - 1)
        assert self.labels is not None
        with VolumeFile(self.labels, label=True) as volume:
            labels_HW = volume.read(number, number + 1)[0]
        scan_HW = as_bytes(self._volume.intensities(number, number + 1)[0])
        size = shown_size(scan_HW.shape)
        scan_HW3 = shrink_photograph(np.repeat(scan_HW[..., None], 3, axis=-1), size)
        return scan_HW3, {name: shrink_mask(labels_HW == value, size) for name, value in self.classes.items()}


def shown_size(size: tuple[int, ...]) -> tuple[int, int]:
    """(height, width) on the page: large pictures are scaled down, small ones up."""
    scale = max(1.0, SHORTEST / max(size))
    return fitted_size((round(size[0] * scale), round(size[1] * scale)), LONGEST)
