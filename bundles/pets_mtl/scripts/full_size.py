"""The truth at an image's own size, for scoring there."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from monai.transforms import Transform

from scripts.trimap import pet_mask, read_trimap
from shared.data.photograph import photograph_size


class LoadPetMasksd(Transform):
    """Read the mask at the image's own size.

    Adds ``photograph_masks`` and ``photograph_counted`` (0 on an ignored border), both uint8 0/1 [1,H,W], where the
    item has ``mask_paths``. Works before and after `scripts.load.LoadPetd`.

    Raises:
        DataError: a trimap that cannot be read or does not fit its image.
    """

    def __call__(self, data: Mapping[str, Any]) -> dict[str, Any]:
        sample = dict(data)
        if data.get("mask_paths"):
            size = photograph_size(str(data.get("path", data["image"])), upright=False)
            mask = pet_mask(read_trimap(data["mask_paths"][0], size=size), border=data["border"])
            sample["photograph_masks"] = torch.from_numpy(mask.pet[None].astype(np.uint8))
            sample["photograph_counted"] = torch.from_numpy(mask.counted[None].astype(np.uint8))
        return sample
