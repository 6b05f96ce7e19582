"""Random patches that contain lesions.

MONAI's `RandCropByPosNegLabeld` drops the first of several label channels as background (here: microaneurysms) and
draws by pixel, so that the largest lesion gets nearly all patches.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from typing import Any

import torch
import torch.nn.functional as F
from monai.transforms import MapTransform, Randomizable
from monai.utils import ensure_tuple

OFFSET_Y, OFFSET_X = 6, 7


class RandLesionCropd(MapTransform, Randomizable):
    """Crop a patch of fixed size: around a random lesion, or anywhere.

    A lesion patch first draws one of the lesion kinds that are present, then one of its pixels, then where in the patch
    that pixel lies. A photograph without lesions, or without ``masks``, gives patches from anywhere. Where the
    canvas is smaller than the patch it is padded with zeros below and to the right.

    Args:
        keys: maps ``[C, H, W]`` to crop alike.
        spatial_size: (height, width) of the patch.
        lesion_fraction: share of patches around a lesion.
        channels: mask channels that count as lesions; None: all.
    """

    def __init__(
        self,
        keys: str | Sequence[str] = ("image", "masks"),
        spatial_size: Sequence[int] = (512, 512),
        lesion_fraction: float = 0.5,
        channels: Sequence[int] | None = None,
        masks_key: str = "masks",
        geometry_key: str = "geometry",
        allow_missing_keys: bool = True,
    ) -> None:
        MapTransform.__init__(self, ensure_tuple(keys), allow_missing_keys)
        self.spatial_size = (int(spatial_size[0]), int(spatial_size[1]))
        self.lesion_fraction = lesion_fraction
        self.channels = list(channels) if channels is not None else None
        self.masks_key, self.geometry_key = masks_key, geometry_key
        self.corner = (0, 0)

    def randomize(self, data: Mapping[Hashable, Any]) -> None:
        """Draw the patch's corner (top, left) on the canvas."""
        height, width = next(data[key].shape[-2:] for key in self.keys if key in data)
        room = (max(0, height - self.spatial_size[0]), max(0, width - self.spatial_size[1]))
        corner = [int(self.R.randint(0, space + 1)) for space in room]
        wants_lesion, kind_draw, pixel_draw = self.R.rand(3)
        if wants_lesion < self.lesion_fraction and self.masks_key in data:
            lesions_SHW = torch.as_tensor(data[self.masks_key]) > 0
            lesions_SHW = lesions_SHW if self.channels is None else lesions_SHW[self.channels]
            present_S = torch.nonzero(lesions_SHW.flatten(1).any(dim=1)).flatten()
            if len(present_S):
                pixels_N2 = torch.nonzero(lesions_SHW[present_S[int(kind_draw * len(present_S))]])
                pixel = pixels_N2[int(pixel_draw * len(pixels_N2))].tolist()
                inside = [int(self.R.randint(0, size)) for size in self.spatial_size]
                corner = [min(max(0, p - i), space) for p, i, space in zip(pixel, inside, room, strict=True)]
        self.corner = (corner[0], corner[1])

    def __call__(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        self.randomize(data)
        cropped = dict(data)
        top, left = self.corner
        for key in self.key_iterator(cropped):
            patch = torch.as_tensor(data[key])[:, top : top + self.spatial_size[0], left : left + self.spatial_size[1]]
            missing = (self.spatial_size[0] - patch.shape[1], self.spatial_size[1] - patch.shape[2])
            cropped[key] = F.pad(patch, (0, missing[1], 0, missing[0])) if any(missing) else patch.contiguous()
        if self.geometry_key in cropped:
            geometry = cropped[self.geometry_key].clone()
            geometry[OFFSET_Y] -= top
            geometry[OFFSET_X] -= left
            cropped[self.geometry_key] = geometry
        return cropped
