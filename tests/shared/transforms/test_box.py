"""Flips, rotations, crops and zooms of a known box: it ends where its pixels end."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from monai.transforms import (
    Affined,
    Compose,
    Flipd,
    RandAffined,
    RandFlipd,
    RandSpatialCropd,
    Resized,
    Rotate90d,
    Rotated,
    SpatialCropd,
    Zoomd,
)

from shared.data.boxes import box_iou, boxes_to_pixels
from shared.transforms.box import AnchorBoxd, BoxToPixelsd, MoveBoxd

HEIGHT, WIDTH = 48, 64
BOX = (20, 10, 41, 26)
KEYS = ("image", "masks")
NEAREST: dict[str, Any] = {"mode": "nearest"}

CASES: dict[str, Callable[[], Any]] = {
    "nothing": lambda: Compose([]),
    "flip up-down": lambda: Flipd(KEYS, spatial_axis=0),
    "flip left-right": lambda: Flipd(KEYS, spatial_axis=1),
    "quarter turn": lambda: Rotate90d(KEYS),
    "half turn": lambda: Rotate90d(KEYS, k=2),
    "rotation": lambda: Rotated(KEYS, angle=0.3, **NEAREST),
    "crop around it": lambda: SpatialCropd(KEYS, roi_start=(4, 8), roi_end=(40, 56)),
    "crop through it": lambda: SpatialCropd(KEYS, roi_start=(0, 0), roi_end=(20, 35)),
    "resize": lambda: Resized(KEYS, spatial_size=(96, 96), **NEAREST),
    "zoom": lambda: Zoomd(KEYS, zoom=1.25, **NEAREST),
    "affine": lambda: Affined(KEYS, rotate_params=-0.2, scale_params=(0.9, 0.9), translate_params=(3, -5), **NEAREST),
    "all after one another": lambda: Compose(
        [
            Resized(KEYS, spatial_size=(96, 128), **NEAREST),
            Flipd(KEYS, spatial_axis=1),
            SpatialCropd(KEYS, roi_start=(8, 16), roi_end=(88, 120)),
            Rotate90d(KEYS, k=3),
        ]
    ),
}


def sample() -> dict[str, Any]:
    """An image whose box is white, a mask that is the box."""
    image = torch.zeros(3, HEIGHT, WIDTH)
    left, top, right, bottom = BOX
    image[:, top:bottom, left:right] = 1
    shares = torch.tensor([left / WIDTH, top / HEIGHT, right / WIDTH, bottom / HEIGHT])
    return {"image": image, "masks": image[:1].clone(), "box": shares, "has_box": torch.tensor(True)}


def seen(mask_1HW: torch.Tensor) -> torch.Tensor:
    """The box round what is white, pixels."""
    rows, columns = np.nonzero(np.asarray(mask_1HW[0]) > 0.5)
    return torch.tensor([columns.min(), rows.min(), columns.max() + 1, rows.max() + 1]).float()


def pixels(moved: dict[str, Any]) -> torch.Tensor:
    return boxes_to_pixels(moved["box"], sizes_B2=torch.tensor(moved["image"].shape[-2:]))


@pytest.mark.parametrize("name", CASES)
def test_the_box_goes_where_its_pixels_go(name: str) -> None:
    moved = Compose([AnchorBoxd(KEYS), CASES[name](), MoveBoxd()])(sample())
    assert moved["has_box"]
    exact = name not in ("rotation", "affine", "zoom", "resize")  # there it may end within a pixel
    for key in KEYS:
        torch.testing.assert_close(pixels(moved), seen(moved[key]), atol=1e-3 if exact else 1.0, rtol=0)
    assert "anchored_size" not in moved


def test_random_transforms_move_image_mask_and_box_together() -> None:
    chain = Compose(
        [
            AnchorBoxd(KEYS),
            RandFlipd(KEYS, prob=0.5, spatial_axis=1),
            RandAffined(KEYS, prob=1.0, rotate_range=0.2, scale_range=0.1, translate_range=4, **NEAREST),
            RandSpatialCropd(KEYS, roi_size=(44, 60), random_size=False),
            MoveBoxd(),
        ]
    )
    chain.set_random_state(0)
    boxes = []
    for _ in range(20):
        moved = chain(sample())
        assert box_iou(pixels(moved)[None], seen(moved["masks"])[None]) > 0.85
        boxes.append(moved["box"])
    assert torch.stack(boxes).std(0).min() > 0.01


def test_a_box_that_is_mostly_cut_off_loses_its_label() -> None:
    crop = SpatialCropd(KEYS, roi_start=(0, 0), roi_end=(48, 24))  # keeps 4 of its 21 columns
    lost = Compose([AnchorBoxd(KEYS), crop, MoveBoxd()])(sample())
    assert not lost["has_box"]
    assert lost["box"].tolist() == [0, 0, 0, 0]
    kept = Compose([AnchorBoxd(KEYS), crop, MoveBoxd(least_left=0.15)])(sample())
    assert kept["has_box"]


def test_without_a_box_nothing_is_moved() -> None:
    given = sample() | {"has_box": torch.tensor(False), "box": torch.zeros(4)}
    moved = Compose([AnchorBoxd(KEYS), Flipd(KEYS, spatial_axis=1), MoveBoxd()])(given)
    assert not moved["has_box"]
    assert moved["box"].tolist() == [0, 0, 0, 0]


def test_a_predicted_box_is_given_in_pixels_of_the_original_and_the_truth_stays() -> None:
    truth = torch.tensor([0.1, 0.2, 0.3, 0.4])
    outputs = {"box": torch.tensor([0.75, 0.1, 0.25, 0.6], requires_grad=True), "pred": torch.zeros(1, 4, 4)}
    item = {"pred": outputs, "box": truth, "photo_size": torch.tensor([200, 400])}
    given = BoxToPixelsd()(item)
    # The network's left and right were exchanged.
    torch.testing.assert_close(given["pred_box"], torch.tensor([100.0, 20.0, 300.0, 120.0]))
    assert not given["pred_box"].requires_grad
    assert given["box"] is truth
    assert given["pred"].keys() == {"pred"}
    assert outputs.keys() == {"box", "pred"}
    assert "pred_box" not in BoxToPixelsd()(item | {"pred": {"pred": outputs["pred"]}})


def test_a_cached_data_set_stores_no_anchor() -> None:
    from monai.data import PersistentDataset

    chain = Compose(
        [AnchorBoxd(["image", "masks", "absent"], allow_missing_keys=True), RandFlipd(KEYS, 1.0), MoveBoxd()]
    )
    stored = PersistentDataset([sample()], chain, cache_dir=None)._pre_transform(sample())
    assert "anchored_size" not in stored
    with pytest.raises(KeyError):
        AnchorBoxd(["image", "absent"])(sample())
