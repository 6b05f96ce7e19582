"""Boxes: units, intersection over union by counting pixels, and where affine maps put them."""

from __future__ import annotations

import pytest
import torch
from monai.data.box_utils import box_iou as monai_box_iou

from shared.data.boxes import box_area, box_iou, boxes_to_pixels, boxes_to_shares, move_box


def counted_iou(one: list[int], other: list[int], *, side: int = 30) -> float:
    """The slow, obvious twin: colour the pixels of either box and count them."""
    drawn = [
        [[box[0] <= x < box[2] and box[1] <= y < box[3] for x in range(side)] for y in range(side)]
        for box in (one, other)
    ]
    both = sum(a and b for rows in zip(*drawn, strict=True) for a, b in zip(*rows, strict=True))
    either = sum(a or b for rows in zip(*drawn, strict=True) for a, b in zip(*rows, strict=True))
    return both / either if either else 0.0


def test_iou_by_hand() -> None:
    # 10 x 10 and 10 x 10, shifted by 5: 50 common, 150 in all. Adding 1 to sides, as VOC's tools do, gives another.
    boxes, truth = torch.tensor([[0.0, 0, 10, 10]]), torch.tensor([[5.0, 0, 15, 10]])
    assert box_iou(boxes, truth).item() == pytest.approx(1 / 3)


def test_iou_equals_counting_and_monai() -> None:
    low = torch.randint(0, 20, (60, 2, 2), generator=torch.Generator().manual_seed(0))
    size = torch.randint(1, 10, (60, 2, 2), generator=torch.Generator().manual_seed(1))
    boxes_N24 = torch.cat([low, low + size], dim=-1)
    found = box_iou(boxes_N24[:, 0].float(), boxes_N24[:, 1].float())
    expected = [counted_iou(one.tolist(), other.tolist()) for one, other in boxes_N24]
    assert found.tolist() == pytest.approx(expected)
    assert sum(expected) > 1
    pairwise = monai_box_iou(boxes_N24[:, 0].float(), boxes_N24[:, 1].float())
    torch.testing.assert_close(found, torch.as_tensor(pairwise).diagonal())


@pytest.mark.parametrize(
    ("box", "truth"),
    [
        ((8, 8, 2, 2), (0, 0, 10, 10)),  # turned round in both directions
        ((8, 2, 2, 8), (0, 0, 10, 10)),  # turned round in one
        ((0, 0, 0, 0), (0, 0, 0, 0)),
        ((0, 0, 5, 5), (5, 0, 10, 5)),  # touching
    ],
)
def test_iou_is_nothing(box: tuple[int, ...], truth: tuple[int, ...]) -> None:
    assert box_iou(torch.tensor([box]).float(), torch.tensor([truth]).float()).item() == 0


def test_pixels_of_the_original_and_back() -> None:
    shares = torch.tensor([[0.1, 0.2, 0.3, 0.4], [0, 0, 1, 1]])
    sizes = torch.tensor([[100, 300], [480, 640]])
    pixels = boxes_to_pixels(shares, sizes_B2=sizes)
    torch.testing.assert_close(pixels, torch.tensor([[30.0, 20, 90, 40], [0, 0, 640, 480]]))
    torch.testing.assert_close(boxes_to_shares(pixels, sizes_B2=sizes), shares)
    assert box_area(pixels).tolist() == [pytest.approx(1200), 640 * 480]


def test_a_scaled_and_shifted_image() -> None:
    # The new image is the old one's pixels from row 10 and column 20 on, at half the size.
    affine = torch.tensor([[2, 0, 10.5], [0, 2, 20.5], [0, 0, 1]])
    moved = move_box(torch.tensor([30.0, 14, 50, 30]), affine_33=affine, size=(100, 100))
    torch.testing.assert_close(moved, torch.tensor([5.0, 2, 15, 10]))


def test_a_box_that_left_the_image_has_no_area() -> None:
    shifted = torch.tensor([[1.0, 0, 60], [0, 1, 0], [0, 0, 1]])
    assert box_area(move_box(torch.tensor([10.0, 10, 20, 20]), affine_33=shifted, size=(40, 40))) == 0
