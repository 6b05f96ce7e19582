from __future__ import annotations

import numpy as np
import pytest
import torch

from shared.data.field_of_view import FieldOfView
from shared.data.geometry import Canvas, Geometry, disc_mask, from_canvas, plan_canvas, to_canvas
from shared.errors import ConfigError

PHOTO = (356, 536)
FIELD = FieldOfView(centre_y=176.5, centre_x=250.4, diameter=429.0, box=(0.0, 36.0, 356.0, 465.0))


def plans() -> dict[str, Canvas]:
    return {
        "published": plan_canvas(FIELD, PHOTO, image_size=(89, 134), crop="none"),
        "published, padded": plan_canvas(FIELD, PHOTO, image_size=(128, 128), crop="none"),
        "normalised": plan_canvas(FIELD, PHOTO, image_size=(160, 200), fov_diameter=180),
        "cut": plan_canvas(FIELD, PHOTO, image_size=(64, 96), fov_diameter=180),
        "fitted": plan_canvas(FIELD, PHOTO, image_size=(96, 96)),
        "natural": plan_canvas(FIELD, PHOTO, fov_diameter=143.0),
        "own scale": plan_canvas(FIELD, PHOTO),
        "enlarged": plan_canvas(FIELD, PHOTO, fov_diameter=700.0),
    }


def disc(y: float, x: float, radius: float) -> np.ndarray:
    rows, columns = np.ogrid[: PHOTO[0], : PHOTO[1]]
    return (rows - y) ** 2 + (columns - x) ** 2 <= radius**2


def centre(weights_HW: np.ndarray) -> tuple[float, float]:
    rows, columns = np.mgrid[: weights_HW.shape[0], : weights_HW.shape[1]]
    return float((rows * weights_HW).sum() / weights_HW.sum()), float((columns * weights_HW).sum() / weights_HW.sum())


def test_plans_hold_what_they_promise() -> None:
    made = plans()
    assert made["published"].geometry.scale == pytest.approx(0.25)
    assert (made["published"].geometry.offset_y, made["published"].geometry.offset_x) == (0, 0)
    assert made["normalised"].geometry.scale * FIELD.diameter == pytest.approx(180)
    for kind in ("natural", "own scale", "enlarged"):
        geometry, size = made[kind]
        assert all(length % 32 == 0 for length in size)
        top, left, bottom, right = FIELD.box
        assert geometry.offset_y + top * geometry.scale >= -0.51
        assert geometry.offset_x + left * geometry.scale >= -0.51
        assert geometry.offset_y + bottom * geometry.scale <= size[0] + 0.51
        assert geometry.offset_x + right * geometry.scale <= size[1] + 0.51
    assert made["own scale"].size == (384, 448)
    assert made["fitted"].geometry.scale == pytest.approx(96 / 429)
    with pytest.raises(ConfigError, match="crop"):
        plan_canvas(FIELD, PHOTO, crop="centre")


def test_tensor_round_trip() -> None:
    geometry = plans()["normalised"].geometry
    tensor = geometry.to_tensor()
    assert tensor.dtype == torch.float64
    assert tensor.shape == (8,)
    assert Geometry.from_tensor(tensor) == geometry


@pytest.mark.parametrize("kind", list(plans()))
def test_a_disc_lands_where_the_formula_says_and_comes_back(kind: str) -> None:
    geometry, size = plans()[kind]
    y, x = 171.3, 244.8
    canvas = to_canvas(disc(y, x, 30.0), geometry, size, mode="mask")
    assert set(np.unique(canvas)) <= {0, 1}
    expected = (
        (y + 0.5) * geometry.scale + geometry.offset_y - 0.5,
        (x + 0.5) * geometry.scale + geometry.offset_x - 0.5,
    )
    assert centre(canvas) == pytest.approx(expected, abs=0.12)
    assert canvas.sum() / geometry.scale**2 == pytest.approx(np.pi * 30**2, rel=0.05)
    back = from_canvas(torch.from_numpy(canvas)[None].float(), geometry)[0].numpy()
    assert back.shape == PHOTO
    assert centre(back) == pytest.approx((y, x), abs=0.5 / geometry.scale)


@pytest.mark.parametrize("kind", list(plans()))
def test_a_gradient_is_reproduced_away_from_the_edges(kind: str) -> None:
    geometry, size = plans()[kind]
    y, x = np.mgrid[: PHOTO[0], : PHOTO[1]]
    photo = np.stack([y / 2, x / 2.2, (y + x) / 4], axis=2)
    canvas = to_canvas(np.rint(photo).astype(np.uint8), geometry, size, mode="photograph")
    back = from_canvas(torch.from_numpy(canvas.transpose(2, 0, 1)).float(), geometry, inside_field=False).numpy()
    margin = int(np.ceil(2 / geometry.scale)) + 1
    top, left = (int(max(0, -o / geometry.scale)) + margin for o in (geometry.offset_y, geometry.offset_x))
    bottom = int(min(PHOTO[0], (size[0] - geometry.offset_y) / geometry.scale)) - margin
    right = int(min(PHOTO[1], (size[1] - geometry.offset_x) / geometry.scale)) - margin
    inner = (slice(top, bottom), slice(left, right))
    assert bottom - top > 100
    assert np.abs(back.transpose(1, 2, 0)[inner] - photo[inner]).max() < 1.2


def test_reduced_decode_gives_the_same_canvas() -> None:
    geometry, size = plans()["normalised"]
    y, x = np.mgrid[: PHOTO[0], : PHOTO[1]]
    wave = (128 + 60 * np.sin(y / 40) * np.cos(x / 50))[..., None].repeat(3, 2)
    half = wave.reshape(178, 2, 268, 2, 3).mean(axis=(1, 3))
    full, reduced = (
        to_canvas(np.rint(a).astype(np.uint8), geometry, size, mode="photograph").astype(int) for a in (wave, half)
    )
    inside = disc_mask(geometry, size)
    assert np.abs(full - reduced)[inside].max() <= 2


def test_mask_area_is_kept_and_nothing_is_invented() -> None:
    geometry, size = plans()["published"]
    speck, lesion = np.zeros(PHOTO, bool), np.zeros(PHOTO, bool)
    speck[100:102, 100:102] = True  # a quarter of one canvas pixel
    lesion[100:104, 100:104] = True  # exactly one canvas pixel
    assert to_canvas(speck, geometry, size, mode="mask").sum() == 0
    canvas = to_canvas(lesion, geometry, size, mode="mask")
    assert canvas.sum() == canvas[25, 25] == 1
    random = np.random.default_rng(0).random(PHOTO) < 0.5
    blocks = random.reshape(89, 4, 134, 4).mean(axis=(1, 3)) >= 0.5
    assert (to_canvas(random, geometry, size, mode="mask") == blocks).all()


def test_own_scale_is_lossless() -> None:
    geometry, size = plan_canvas(FIELD, PHOTO, crop="none", divisor=4)
    assert size == PHOTO
    photo = np.random.default_rng(0).integers(0, 256, (*PHOTO, 3)).astype(np.uint8)
    assert (to_canvas(photo, geometry, size, mode="photograph") == photo).all()
    maps = torch.rand(2, *size)
    assert torch.equal(from_canvas(maps, geometry, inside_field=False), maps)


def test_zeros_outside_the_field_and_outside_the_canvas() -> None:
    geometry, size = plans()["cut"]
    back = from_canvas(torch.ones(1, *size), geometry)[0].numpy()
    assert back[0].max() == 0
    assert back[176, 250] == 1
    y, x = np.nonzero(back)
    assert (np.hypot(y - FIELD.centre_y, x - FIELD.centre_x) <= FIELD.diameter / 2).all()
    wide = from_canvas(torch.ones(1, *plans()["own scale"].size), plans()["own scale"].geometry)[0].numpy()
    assert (wide == disc_mask(geometry)).all()


def test_field_on_the_canvas_is_the_photographs_field() -> None:
    for geometry, size in plans().values():
        drawn = to_canvas(disc_mask(geometry), geometry, size, mode="mask").astype(bool)
        assert (drawn != disc_mask(geometry, size)).mean() < 0.02
