"""Loader work: photographs with five masks onto the network's canvas, as the bundle does and as published."""

from __future__ import annotations

import tempfile
from typing import Any

import numpy as np
from monai.transforms import Compose
from numpy.typing import NDArray
from PIL import Image

from benchmarks.photographs import FULL_SIZE, find_items
from shared.data import PhotographDataset
from shared.data.geometry import Geometry, to_canvas
from shared.transforms import LoadPhotographd


class LoaderWork:
    """Load every photograph once.

    Args:
        way: ``"full"``: decode photograph and masks at full size and resize them, as published; ``"first"``: as the
            bundle does the first time, written to the cache; ``"cached"``: as it does from then on.
        canvas: keyword arguments of `LoadPhotographd`.
        dataset_dir: see `find_items`.
        number: photographs.
        photo_size: (height, width) of phantoms.
    """

    def __init__(
        self,
        *,
        way: str,
        canvas: dict[str, Any],
        dataset_dir: str,
        number: int = 4,
        photo_size: tuple[int, int] = FULL_SIZE,
    ) -> None:
        self.items, self.source = find_items(dataset_dir, number=number, size=photo_size)
        self.way, self.transform = way, Compose([LoadPhotographd(**canvas)])
        samples = [self.transform(item) for item in self.items]
        self.plans = [(Geometry.from_tensor(s["geometry"]), tuple(s["image"].shape[1:])) for s in samples]
        self.folder = tempfile.TemporaryDirectory()
        self.cached = PhotographDataset(self.items, self.transform, cache_dir=self.folder.name)
        if way == "cached":
            self.once()

    def once(self) -> None:
        self.load()

    def load(self) -> list[dict[str, Any]]:
        if self.way == "full":
            return [
                load_full_size(item, geometry, size)
                for item, (geometry, size) in zip(self.items, self.plans, strict=True)
            ]
        if self.way == "cached":
            return [self.cached[index] for index in range(len(self.items))]
        with tempfile.TemporaryDirectory() as folder:
            dataset = PhotographDataset(self.items, self.transform, cache_dir=folder)
            return [dataset[index] for index in range(len(self.items))]

    def result(self, *, exact: bool) -> dict[str, NDArray]:
        """Grey values and masks."""
        return {
            f"{kind} {index}": np.asarray(sample[kind])
            for index, sample in enumerate(self.load())
            for kind in ("image", "masks")
        }

    def facts(self) -> dict[str, Any]:
        self.once()
        full = {geometry.photo_size for geometry, _ in self.plans}
        masks = sum(bool(path) for item in self.items for path in item["mask_paths"])
        sizes = ", ".join(f"{width}x{height}" for height, width in sorted(full))
        return {"photographs": len(self.items), "data": f"{len(self.items)} {self.source}, {sizes}, {masks} masks"}


def load_full_size(item: dict[str, Any], geometry: Geometry, size: tuple[int, ...]) -> dict[str, NDArray]:
    """Photograph and masks decoded at full size by Pillow alone, then resized onto a canvas that is already planned."""
    canvas = (size[0], size[1])
    with Image.open(item["image"]) as picture:
        image_HW3 = to_canvas(np.asarray(picture.convert("RGB")), geometry, canvas, mode="photograph")
    masks = []
    for path in item["mask_paths"]:
        mask_HW = np.zeros(geometry.photo_size, dtype=bool)
        if path:
            with Image.open(path) as picture:
                channels = np.asarray(picture)
                mask_HW = (channels if channels.ndim == 2 else channels[..., 0]) > 0
        masks.append(to_canvas(mask_HW, geometry, canvas, mode="mask"))
    return {"image": np.ascontiguousarray(image_HW3.transpose(2, 0, 1)), "masks": np.stack(masks)}
