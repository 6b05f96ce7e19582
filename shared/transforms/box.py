"""A box that goes where MONAI's spatial transforms take its image."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from typing import Any

import torch
from monai.data import MetaTensor
from monai.transforms import RandomizableTrait, Transform

from shared.data.boxes import box_area, boxes_to_pixels, boxes_to_shares, move_box


class AnchorBoxd(Transform, RandomizableTrait):
    """Give the images named in ``keys`` an identity affine: what follows is counted from here.

    Before the first spatial transform; after the last, `MoveBoxd`. A cached data set stores what comes before it, as
    it would store no affine.

    Args:
        allow_missing_keys: whether all keys but the first may be absent.
    """

    def __init__(self, keys: str | tuple[str, ...] | list[str], *, allow_missing_keys: bool = False) -> None:
        self.keys = [keys] if isinstance(keys, str) else list(keys)
        self.allow_missing_keys = allow_missing_keys

    def __call__(self, data: Mapping[str, Any]) -> dict[str, Any]:
        first, *others = self.keys
        keys = [first, *(key for key in others if key in data or not self.allow_missing_keys)]
        anchored = {key: MetaTensor(torch.as_tensor(data[key]), affine=torch.eye(4)) for key in keys}
        return dict(data) | anchored | {"anchored_size": tuple(data[first].shape[-2:])}


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


class BoxToPixelsd(Transform):
    """Takes ``box`` (shares) out of the output dict that the engine keeps under ``pred`` and adds ``pred_box`` [4]:
    float32 pixels of the original (left, top, right, bottom), upright and within it.

    The network may give a right edge left of the left one: the two are then exchanged.
    """

    def __call__(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        item = dict(data)
        outputs = dict(item["pred"])
        if "box" in outputs:
            shares_4 = outputs.pop("box").detach().float().clamp(0, 1)
            upright_4 = torch.cat(
                [torch.minimum(shares_4[:2], shares_4[2:]), torch.maximum(shares_4[:2], shares_4[2:])]
            )
            size_2 = torch.as_tensor(item["photo_size"]).to(upright_4)
            item["pred_box"] = boxes_to_pixels(upright_4, sizes_B2=size_2)
        return item | {"pred": outputs}
