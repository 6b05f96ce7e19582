"""OCT volumes to B-scans for the network: one preprocessing for training, evaluation and inference."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from monai.transforms import Transform
from numpy.typing import NDArray

from shared.data.volume_cache import VolumeCache, read_label, resize_image
from shared.data.volume_file import VolumeFile
from shared.errors import ConfigError, DataError

KEPT_OPEN = 2


class LoadBScand(Transform):
    """Read a B-scan, with its neighbours where asked for, and its label.

    From an item of `shared.data.slice_items` it makes ``image`` float32 0..1 ``[C, H, W]`` (see
    `VolumeFile.intensities` for the scale; C is 2 * ``neighbours`` + 1, the middle one is the B-scan itself, and beyond
    the volume's ends its first or last is repeated), ``label`` uint8 class numbers ``[1, H, W]`` (zeros where not
    labelled), ``labelled`` bool tensor, ``native_size`` int64 ``[2]`` (height, width) and ``path`` (the volume's); all
    else is kept.

    Args:
        image_size: (height, width) of the network. Images are resized linearly, labels by nearest neighbour.
        num_classes: labels must be below it.
        neighbours: B-scans on either side that become channels (2.5-D).
        native: also give ``native_label`` uint8 ``[1, H0, W0]`` at the scan's own size, for scoring.
        cache_dir: where volumes are kept at the network's size (`VolumeCache`); None: in memory.
        stream: keep nothing and read B-scans one by one, in order (inference: memory does not grow with the volume).

    Raises:
        DataError: files that cannot be read, a reference of another size, or a label that is no class.
    """

    def __init__(
        self,
        image_size: Sequence[int],
        num_classes: int = 4,
        neighbours: int = 0,
        native: bool = False,
        cache_dir: str | Path | None = None,
        stream: bool = False,
    ) -> None:
        if neighbours < 0 or len(image_size) != 2 or min(image_size) < 1:
            raise ConfigError(
                f"neighbours {neighbours}, image_size {list(image_size)}",
                expected="0 or more neighbours, a height and a width",
                fix="for example --neighbours 1 --image_size [256,256]",
            )
        self.image_size = (int(image_size[0]), int(image_size[1]))
        self.num_classes, self.neighbours, self.native, self.stream = num_classes, neighbours, native, stream
        self.cache = VolumeCache(self.image_size, num_classes=num_classes, cache_dir=cache_dir)
        self._volumes: dict[tuple[str, bool], VolumeFile] = {}
        self._sizes: dict[str, tuple[int, int, int]] = {}

    def __call__(self, data: Mapping[str, Any]) -> dict[str, Any]:
        path, place = str(data["image"]), int(data["slice"])
        label_path = str(data.get("label", "")) if data.get("labelled") else ""
        size_NHW = self._size(path)
        if label_path and self._size(label_path, label=True) != size_NHW:
            raise other_size(label_path, self._size(label_path), path, size_NHW)
        beside = np.clip(np.arange(place - self.neighbours, place + self.neighbours + 1), 0, size_NHW[0] - 1)
        image_CHW = self._streamed(path, beside) if self.stream else self._cached(path, beside)
        label_HW = self.cache.labels(label_path)[place] if label_path else np.zeros(self.image_size, np.uint8)
        sample = dict(data) | {
            "image": torch.from_numpy(image_CHW),
            "label": torch.from_numpy(np.array(label_HW))[None],
            "labelled": torch.tensor(bool(label_path)),
            "native_size": torch.tensor(size_NHW[1:], dtype=torch.int64),
            "path": path,
        }
        if self.native:
            native_HW = np.zeros(size_NHW[1:], np.uint8)
            if label_path:
                native_HW = read_label(self._volume(label_path, label=True), place, num_classes=self.num_classes)
            sample["native_label"] = torch.from_numpy(native_HW)[None]
        return sample

    def __getstate__(self) -> dict[str, Any]:
        return self.__dict__ | {"_volumes": {}}

    def _cached(self, path: str, beside: NDArray[np.intp]) -> NDArray[np.float32]:
        images_NHW = self.cache.images(path)
        image_CHW = np.stack([images_NHW[place] for place in beside])
        return image_CHW.astype(np.float32) / np.float32(255 if image_CHW.dtype == np.uint8 else 1)

    def _streamed(self, path: str, beside: NDArray[np.intp]) -> NDArray[np.float32]:
        volume = self._volume(path)
        read = {place: resize_image(volume.intensities(place, place + 1)[0], self.image_size) for place in set(beside)}
        return np.stack([read[place] for place in beside])

    def _size(self, path: str, *, label: bool = False) -> tuple[int, int, int]:
        if path not in self._sizes:
            self._sizes[path] = self._volume(path, label=label).geometry.size_NHW
        return self._sizes[path]

    def _volume(self, path: str, *, label: bool = False) -> VolumeFile:
        """The volume, kept open (and unpacked) until others have been asked for."""
        if (path, label) not in self._volumes:
            while len(self._volumes) >= KEPT_OPEN:
                self._volumes.pop(next(iter(self._volumes))).close()
            self._volumes[path, label] = VolumeFile(path, label=label, allow_gaps=True)
        return self._volumes[path, label]


def other_size(label: str | Path, label_size: Sequence[int], image: str | Path, size: Sequence[int]) -> DataError:
    """The error for a reference that does not fit its scan; sizes are (N, H, W)."""
    given, wanted = ("x".join(map(str, reversed(numbers))) for numbers in (label_size, size))
    return DataError(
        f"the reference {label} is {given} voxels, its scan {image} is {wanted} (width x height x B-scans)",
        expected="a reference of exactly its scan's size",
        fix="export the reference again on the scan's own grid, or remove it: the scan then counts as unlabelled",
    )
