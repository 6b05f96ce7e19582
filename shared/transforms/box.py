"""A box that goes where MONAI's spatial transforms take its image."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from monai.data import MetaTensor
from monai.transforms import Transform

from shared.data.boxes import box_area, boxes_to_pixels, boxes_to_shares, move_box


class AnchorBoxd(Transform):
    """Give the images named in ``keys`` an identity affine: what follows is counted from here.

    Before the first spatial transform; after the last, `MoveBoxd`.
    """

    def __init__(self, keys: str | tuple[str, ...] | list[str]) -> None:
        self.keys = [keys] if isinstance(keys, str) else list(keys)

    def __call__(self, data: Mapping[str, Any]) -> dict[str, Any]:
        anchored = {key: MetaTensor(torch.as_tensor(data[key]), affine=torch.eye(4)) for key in self.keys}
        return dict(data) | anchored | {"anchored_size": tuple(data[self.keys[0]].shape[-2:])}


class MoveBoxd(Transform):
    """Move ``box`` (shares) as all transforms since `AnchorBoxd` moved ``image``: flips, rotations, zooms, crops, ...

    A box of which less than ``least_left`` of the area is still in the image loses its label, as nothing could tell
    where it ended. Rotation keeps an upright box round the turned one, which is larger: rotate little.

    Args:
        image: key of the image [C,H,W].
        box: key of the box [4].
        has_box: key of a bool, 0-d.
        least_left: 0..1.
    """

    def __init__(
        self, image: str = "image", box: str = "box", has_box: str = "has_box", least_left: float = 0.25
    ) -> None:
        self.image, self.box, self.has_box, self.least_left = image, box, has_box, least_left

    def __call__(self, data: Mapping[str, Any]) -> dict[str, Any]:
        moved = dict(data)
        before, after = torch.tensor(moved.pop("anchored_size")), torch.tensor(data[self.image].shape[-2:])
        if not bool(data[self.has_box]):
            return moved
        keep = torch.tensor([0, 1, 3])
        affine_33 = data[self.image].affine.cpu()[: len(keep) + 1][keep][:, keep]
        pixels_4 = boxes_to_pixels(torch.as_tensor(data[self.box]), sizes_B2=before)
        whole_4 = move_box(pixels_4, affine_33=affine_33, size=after.tolist())
        scale = 1 / torch.linalg.det(affine_33[:2, :2]).abs()
        left = float(box_area(whole_4) / (box_area(pixels_4) * scale).clamp(min=1e-9))
        moved[self.has_box] = torch.tensor(left >= self.least_left)
        shares_4 = boxes_to_shares(whole_4, sizes_B2=after)
        moved[self.box] = shares_4 if left >= self.least_left else torch.zeros_like(shares_4)
        return moved
