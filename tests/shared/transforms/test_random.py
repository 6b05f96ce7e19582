"""Random transforms: ours, and that MONAI's keep image and masks together."""

from __future__ import annotations

import pickle
from typing import Any

import numpy as np
import pytest
import torch
from monai.transforms import Compose, NormalizeIntensityd, RandAffined, RandFlipd
from skimage import color

from shared.data.geometry import Geometry
from shared.transforms.crop import RandLesionCropd
from shared.transforms.photometric import RandPhotometricd, colour_matrix

KEYS = ["image", "masks"]


def marked(height: int = 60, width: int = 90) -> dict[str, Any]:
    """An image whose channels are its masks, so that whatever moves them apart shows."""
    masks = torch.zeros(3, height, width, dtype=torch.uint8)
    masks[0, 10:14, 70:73] = 1
    masks[1, 30:50, 20:60] = 1
    geometry = Geometry(2 * height, 2 * width, height, width, 1.5 * width, 0.5, 0.0, 0.0)
    return {"image": masks * 200, "masks": masks, "geometry": geometry.to_tensor()}


def test_monai_moves_image_and_masks_alike_and_masks_stay_binary() -> None:
    moves = Compose(
        [
            RandFlipd(KEYS, prob=0.5, spatial_axis=1),
            RandAffined(
                KEYS,
                prob=1.0,
                rotate_range=0.31,
                translate_range=(6, 9),
                scale_range=(0.1, 0.1),
                mode=["bilinear", "nearest"],
                padding_mode="zeros",
            ),
        ]
    )
    for seed in range(10):
        moves.set_random_state(seed)
        moved = moves(marked())
        image, masks = torch.as_tensor(moved["image"]) / 200, torch.as_tensor(moved["masks"])
        assert set(masks.unique().tolist()) <= {0.0, 1.0}
        assert ((image >= 0.5) != (masks > 0)).float().mean() < 0.003
        assert masks[1].sum() > 200


def test_monai_normalises_grey_values_channel_by_channel() -> None:
    mean, deviation = [123.675, 116.28, 103.53], [58.395, 57.12, 57.375]
    image = torch.randint(0, 256, (3, 8, 9), dtype=torch.uint8)
    normalise = NormalizeIntensityd("image", subtrahend=mean, divisor=deviation, channel_wise=True)
    expected = (image.double() - torch.tensor(mean).view(3, 1, 1)) / torch.tensor(deviation).view(3, 1, 1)
    result = normalise({"image": image})["image"]
    assert result.dtype == torch.float32
    assert torch.allclose(torch.as_tensor(result).double(), expected, atol=1e-5)


def test_lesion_crops_contain_a_lesion_of_every_kind_alike() -> None:
    crop = RandLesionCropd(KEYS, spatial_size=(16, 20), lesion_fraction=1.0)
    hits = torch.zeros(3)
    for seed in range(60):
        crop.set_random_state(seed)
        patch = crop(marked())
        assert patch["image"].shape == patch["masks"].shape == (3, 16, 20)
        assert torch.equal(patch["image"], patch["masks"] * 200)
        present = patch["masks"].flatten(1).any(dim=1)
        assert present.any()
        hits += present
    assert hits[0] > 15
    assert hits[1] > 15
    only = RandLesionCropd(KEYS, spatial_size=(16, 20), lesion_fraction=1.0, channels=[0]).set_random_state(0)
    assert all(only(marked())["masks"][0].any() for _ in range(20))


def test_crop_moves_the_geometry_along() -> None:
    crop = RandLesionCropd(KEYS, spatial_size=(16, 20), lesion_fraction=0.5)
    sample = marked()
    for seed in range(8):
        crop.set_random_state(seed)
        patch = crop(sample)
        geometry = Geometry.from_tensor(patch["geometry"])
        top, left = round(-geometry.offset_y), round(-geometry.offset_x)
        assert torch.equal(patch["masks"], sample["masks"][:, top : top + 16, left : left + 20])
    assert sample["geometry"][6] == 0


def test_crops_without_lesion_reach_everywhere_and_small_canvases_are_padded() -> None:
    crop = RandLesionCropd(KEYS, spatial_size=(16, 20), lesion_fraction=0.0).set_random_state(0)
    corners = []
    for _ in range(200):
        crop(marked())
        corners.append(crop.corner)
    tops, lefts = np.array(corners).T
    assert (tops.min(), tops.max()) == (0, 44)
    assert lefts.min() <= 2
    assert lefts.max() >= 68
    empty = {"image": torch.ones(3, 10, 12), "masks": torch.zeros(3, 10, 12, dtype=torch.uint8)}
    padded = RandLesionCropd(KEYS, spatial_size=(16, 20), lesion_fraction=1.0).set_random_state(0)(empty)
    assert padded["image"].shape == (3, 16, 20)
    assert padded["image"].sum() == 3 * 10 * 12
    assert "masks" not in RandLesionCropd(KEYS, spatial_size=(4, 4))({"image": torch.ones(3, 10, 12)})


def test_photometric_probability_zero_and_one() -> None:
    image = torch.randint(0, 256, (3, 12, 14), dtype=torch.uint8)
    assert torch.equal(RandPhotometricd(prob=0.0)({"image": image})["image"], image)
    neutral = RandPhotometricd(prob=1.0, brightness=0, contrast=(1, 1), saturation=(1, 1), hue=0)
    assert torch.allclose(neutral({"image": image})["image"], image.float(), atol=1e-3)
    distort = pickle.loads(pickle.dumps(RandPhotometricd(prob=1.0))).set_random_state(3)
    first = distort({"image": image})["image"]
    assert not torch.allclose(first, image.float(), atol=2)
    assert first.min() >= 0
    assert first.max() <= 255
    assert torch.equal(distort.set_random_state(3)({"image": image})["image"], first)
    assert not torch.equal(distort({"image": image})["image"], first)


def test_each_photometric_part_does_its_own() -> None:
    image = torch.randint(60, 160, (3, 12, 14), dtype=torch.uint8)
    off: dict[str, Any] = {"prob": 1.0, "brightness": 0.0, "contrast": (1, 1), "saturation": (1, 1), "hue": 0.0}
    brighter = RandPhotometricd(**off | {"brightness": 20.0}).set_random_state(0)
    shift = brighter({"image": image})["image"] - image
    assert shift.std() < 1e-3
    assert 0 < abs(shift.mean()) <= 20
    assert torch.allclose(
        RandPhotometricd(**off | {"contrast": (1.5, 1.5)})({"image": image})["image"], image * 1.5, atol=1e-2
    )
    grey = RandPhotometricd(**off | {"saturation": (0, 0)})({"image": image})["image"]
    luma = (image * torch.tensor([0.299, 0.587, 0.114]).view(3, 1, 1)).sum(0)
    assert torch.allclose(grey, luma.expand(3, -1, -1), atol=0.05)


@pytest.mark.parametrize("degrees", [-18.0, 9.0, 18.0])
def test_hue_turns_a_retinas_colour_about_as_far_as_hsv_does(degrees: float) -> None:
    retina = np.array([165.0, 82.0, 28.0])
    turned = colour_matrix(saturation=1.0, hue=degrees) @ retina
    before, after = (color.rgb2hsv(np.clip(rgb, 0, 255) / 255)[0] * 360 for rgb in (retina, turned))
    assert abs((after - before + 180) % 360 - 180) == pytest.approx(abs(degrees), abs=8)
    assert colour_matrix(saturation=1.3, hue=degrees) @ np.full(3, 90.0) == pytest.approx(np.full(3, 90.0), abs=0.05)
