"""Boxes: continuous coordinates, in pixels or as shares of an image, and where a transform of the image puts them.

A box is (left, top, right, bottom). In pixels, pixel i covers i to i + 1, so that a whole image is (0, 0, width,
height) and an area is width times height, with nothing added. Shares are pixels divided by the image's width or height.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor


def boxes_to_pixels(shares_B4: Tensor, *, sizes_B2: Tensor) -> Tensor:
    """Shares -> pixels of images with ``sizes_B2`` (height, width), such as the original photographs."""
    return shares_B4 * torch.cat([sizes_B2.flip(-1)] * 2, dim=-1)


def boxes_to_shares(pixels_B4: Tensor, *, sizes_B2: Tensor) -> Tensor:
    """Pixels of images with ``sizes_B2`` (height, width) -> shares."""
    return pixels_B4 / torch.cat([sizes_B2.flip(-1)] * 2, dim=-1)


def box_area(boxes_B4: Tensor) -> Tensor:
    """[B]; 0 for a box that is turned round."""
    return (boxes_B4[..., 2:] - boxes_B4[..., :2]).clamp(min=0).prod(-1)


def box_iou(boxes_B4: Tensor, truth_B4: Tensor) -> Tensor:
    """Intersection over union of each box with the truth of its row, [B] in 0..1; 0 where both are empty.

    In pixels: shares of one image that is not square give the same, but areas then mean nothing.
    """
    low_B2 = torch.maximum(boxes_B4[..., :2], truth_B4[..., :2])
    high_B2 = torch.minimum(boxes_B4[..., 2:], truth_B4[..., 2:])
    common_B = box_area(torch.cat([low_B2, high_B2], dim=-1))
    # A turned round box has no area, but may seem to meet the other.
    upright_B = (box_area(boxes_B4) > 0) & (box_area(truth_B4) > 0)
    common_B = torch.where(upright_B, common_B, torch.zeros_like(common_B))
    union_B = box_area(boxes_B4) + box_area(truth_B4) - common_B
    return torch.where(union_B > 0, common_B / union_B.clamp(min=torch.finfo(union_B.dtype).tiny), common_B)


def move_box(box_4: Tensor, *, affine_33: Tensor, size: Sequence[int]) -> Tensor:
    """Where a box lies after its image was resampled: the upright box round its moved corners, cut at the image.

    Args:
        box_4: pixels of the image before.
        affine_33: index (row, column, 1) of the new image -> index of the old one, centres of pixels at whole numbers
            (what MONAI keeps as the affine of a 2-D image that began with the identity).
        size: (height, width) of the new image.

    Returns:
        pixels of the new image, [4]; without any area where the box has left the image.
    """
    left, top, right, bottom = box_4.double().unbind()
    ones = torch.ones(4, dtype=torch.float64)
    rows, columns = torch.stack([top, top, bottom, bottom]) - 0.5, torch.stack([left, right, left, right]) - 0.5
    moved_34 = torch.linalg.solve(affine_33.double(), torch.stack([rows, columns, ones]))
    y_4, x_4 = (moved_34[0] + 0.5).clamp(0, size[0]), (moved_34[1] + 0.5).clamp(0, size[1])
    return torch.stack([x_4.min(), y_4.min(), x_4.max(), y_4.max()]).to(box_4.dtype)
