"""Files to canvas: an image, its mask and its head box."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from monai.transforms import Transform
from PIL import Image

from scripts.head_box import check_box
from scripts.layout import PET
from scripts.trimap import pet_mask, read_trimap
from shared.data.boxes import boxes_to_shares
from shared.data.photograph import read_photograph

logger = logging.getLogger(__name__)
_said: set[str] = set()


class LoadPetd(Transform):
    """Read an image, resized once to the canvas whatever its shape (as published), and its labels.

    From an item of `scripts.datalist.make_datalist` it makes ``image`` uint8 [3,H,W], ``photo_size`` int64 [2] (height,
    width of the original), ``path``, and where the item has labels ``masks`` uint8 0/1 [1,H,W], ``counted`` uint8 0/1
    [1,H,W] (0 on an ignored border), ``grades`` int64 [G], ``labelled`` bool [T], ``box`` float32 [4] (left, top,
    right, bottom as shares of width and height; zeros where there is none) and ``has_box`` bool, 0-d.

    An item of the data lists (with ``labelled``) is read as its pixels are stored, for on these the trimap and the box
    were drawn; any other one upright, its EXIF orientation applied.

    A trimap without a pixel of pet, though every image shows one, is no label: ``labelled`` is false for the mask,
    which is said once.

    Args:
        image_size: (height, width) of the canvas.

    Raises:
        DataError: for files that cannot be read, a trimap that does not fit, or a box outside the image.
    """

    def __init__(self, image_size: Sequence[int]) -> None:
        self.image_size = int(image_size[0]), int(image_size[1])

    def __call__(self, data: Mapping[str, Any]) -> dict[str, Any]:
        path = str(data["image"])
        height, width = self.image_size
        photograph = read_photograph(path, at_least=(height, width), upright="labelled" not in data)
        resized = Image.fromarray(photograph.pixels_HW3).resize((width, height), Image.Resampling.BILINEAR)
        size_2 = torch.tensor(photograph.full_size)
        sample = dict(data) | {
            "image": torch.from_numpy(np.array(resized).transpose(2, 0, 1).copy()),
            "photo_size": size_2,
            "path": path,
        }
        labelled = list(data.get("labelled", []))
        if data.get("mask_paths"):
            trimap_HW = read_trimap(data["mask_paths"][0], size=photograph.full_size)
            if not (trimap_HW == PET).any():
                labelled[data["mask_place"]] = False
                _say_once(path)
            small_HW = np.array(Image.fromarray(trimap_HW).resize((width, height), Image.Resampling.NEAREST))
            mask = pet_mask(small_HW, border=data["border"])
            sample["masks"] = torch.from_numpy(mask.pet[None].astype(np.uint8))
            sample["counted"] = torch.from_numpy(mask.counted[None].astype(np.uint8))
        else:
            sample.pop("mask_paths", None)
        if "labelled" in data:
            sample["labelled"] = torch.tensor(labelled, dtype=torch.bool)
        if "grades" in data:
            sample["grades"] = torch.tensor(data["grades"], dtype=torch.int64)
        if "head_box" in data:
            sample |= _box(sample.pop("head_box"), size_2, path)
        return sample


def _box(head_box: Sequence[float], size_2: torch.Tensor, path: str) -> dict[str, torch.Tensor]:
    if not head_box:
        return {"box": torch.zeros(4), "has_box": torch.tensor(False)}
    left, top, right, bottom = head_box
    check_box((left, top, right, bottom), size=(int(size_2[0]), int(size_2[1])), path=f"the annotation of {path}")
    shares_4 = boxes_to_shares(torch.tensor([left, top, right, bottom]), sizes_B2=size_2)
    return {"box": shares_4, "has_box": torch.tensor(True)}


def _say_once(path: str) -> None:
    if path not in _said:
        _said.add(path)
        logger.warning("pets: the trimap of %s has no pixel of pet, so the image is unlabelled for the mask", path)
