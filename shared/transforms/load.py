"""Files to canvas: one preprocessing for training, evaluation and inference."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from monai.transforms import Transform

from shared.data.field_of_view import WORK_WIDTH, find_field_of_view
from shared.data.geometry import Canvas, plan_canvas, to_canvas
from shared.data.photograph import Photograph, decode_photograph, photograph_size, read_bytes, read_mask


class LoadPhotographd(Transform):
    """Read a photograph and its masks onto the network's canvas.

    1. Decode small, find the field of view. 2. Plan the canvas. 3. Decode at the smallest JPEG scale that is enough
    for the canvas (the small decode again where that will do), and draw it. 4. Draw the masks likewise.

    From an item of a data list it makes ``image`` uint8 ``[3, H, W]``, ``geometry`` float64 ``[8]``, ``name``, and
    where the item has them ``masks`` uint8 0/1 ``[S, H, W]``, ``grades`` int64 ``[G]``, ``labelled`` bool ``[T]``; all
    else is kept. ``path`` is the photograph's file. Without mask tasks there is no ``masks``.

    Args:
        image_size: (height, width) of the canvas, or None for as much as the photograph needs.
        fov_diameter: canvas pixels for the field of view's diameter, or None; see `plan_canvas`.
        crop: ``"field_of_view"`` or ``"none"``; see `plan_canvas`.
        divisor: what a canvas without ``image_size`` is rounded up to.
        grow: enlarge the canvas where the field of view is larger than ``image_size`` (inference on any camera).

    Raises:
        DataError: for files that cannot be read, a picture that is no fundus photograph, or a mask that does not fit.
    """

    def __init__(
        self,
        image_size: Sequence[int] | None = None,
        fov_diameter: float | None = None,
        crop: str = "field_of_view",
        divisor: int = 32,
        grow: bool = False,
    ) -> None:
        self.image_size = (int(image_size[0]), int(image_size[1])) if image_size else None
        self.fov_diameter, self.crop, self.divisor, self.grow = fov_diameter, crop, divisor, grow

    def __call__(self, data: Mapping[str, Any]) -> dict[str, Any]:
        path = str(data["image"])
        photograph, canvas = self._decode(path)
        image_HW3 = to_canvas(photograph.pixels_HW3, canvas.geometry, canvas.size, mode="photograph")
        sample = dict(data) | {
            "image": torch.from_numpy(np.ascontiguousarray(image_HW3.transpose(2, 0, 1))),
            "geometry": canvas.geometry.to_tensor(),
            "name": data.get("name", Path(path).stem),
            "path": path,
        }
        if data.get("mask_paths"):
            sample["masks"] = _draw_masks(data["mask_paths"], canvas, path)
        else:
            sample.pop("mask_paths", None)
        if "grades" in data:
            sample["grades"] = torch.tensor(data["grades"], dtype=torch.int64)
        if "labelled" in data:
            sample["labelled"] = torch.tensor(data["labelled"], dtype=torch.bool)
        return sample

    def _decode(self, path: str) -> tuple[Photograph, Canvas]:
        content = read_bytes(path)
        photograph = decode_photograph(content, at_least=(1, WORK_WIDTH), name=path)
        field = find_field_of_view(photograph.pixels_HW3, photo_size=photograph.full_size, name=path)
        canvas = plan_canvas(
            field,
            photograph.full_size,
            image_size=self.image_size,
            fov_diameter=self.fov_diameter,
            crop=self.crop,
            divisor=self.divisor,
            grow=self.grow,
        )
        scale = min(1.0, canvas.geometry.scale)
        wanted = (photograph.full_size[0] * scale, photograph.full_size[1] * scale)
        if photograph.pixels_HW3.shape[0] < wanted[0]:
            photograph = decode_photograph(content, at_least=wanted, name=path)
        return photograph, canvas


class LoadMasksd(Transform):
    """Read the masks at the photograph's own size, for scoring there.

    Adds ``photograph_masks`` uint8 0/1 ``[S, photo_height, photo_width]`` from ``mask_paths`` (zeros where the path is
    empty). Works before and after `LoadPhotographd`.
    """

    def __call__(self, data: Mapping[str, Any]) -> dict[str, Any]:
        path = str(data.get("path", data["image"]))
        size = photograph_size(path)
        masks_SHW = np.zeros((len(data["mask_paths"]), *size), dtype=np.uint8)
        for mask_HW, mask_path in zip(masks_SHW, data["mask_paths"], strict=True):
            if mask_path:
                mask_HW[:] = read_mask(mask_path, size=size, photograph=path)
        return dict(data) | {"photograph_masks": torch.from_numpy(masks_SHW)}


def _draw_masks(mask_paths: Sequence[str], canvas: Canvas, photograph: str) -> torch.Tensor:
    masks_SHW = np.zeros((len(mask_paths), *canvas.size), dtype=np.uint8)
    for mask_HW, mask_path in zip(masks_SHW, mask_paths, strict=True):
        if mask_path:
            photo_HW = read_mask(mask_path, size=canvas.geometry.photo_size, photograph=photograph)
            mask_HW[:] = to_canvas(photo_HW, canvas.geometry, canvas.size, mode="mask")
    return torch.from_numpy(masks_SHW)
