from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageDraw

from shared.data.field_of_view import find_field_of_view
from shared.data.photograph import read_photograph
from shared.errors import DataError
from tests.support.fundus import draw_fundus


@pytest.mark.parametrize(
    ("height", "width", "diameter"),
    [(356, 536, 0.8), (712, 1072, 0.8), (712, 1072, 0.64), (500, 500, 0.96), (300, 400, 0.5)],
)
def test_circle_is_found_to_half_a_pixel_of_the_small_picture(height: int, width: int, diameter: float) -> None:
    field = find_field_of_view(draw_fundus(height, width, diameter=diameter))
    tolerance = 0.75 * max(1, width / 536)
    assert field.centre_y == pytest.approx((height - 1) / 2, abs=tolerance)
    assert field.centre_x == pytest.approx((width - 1) / 2, abs=tolerance)
    assert field.diameter == pytest.approx(diameter * width, abs=2 * tolerance)
    assert field.box[0] == pytest.approx(max(0, (height - diameter * width) / 2), abs=2)
    assert field.box[3] == pytest.approx((1 + diameter) * width / 2, abs=2)


def test_small_decode_answers_in_pixels_of_the_full_photograph() -> None:
    full, small = draw_fundus(712, 1072), draw_fundus(178, 268)
    expected, found = find_field_of_view(full), find_field_of_view(small, photo_size=(712, 1072))
    assert found.diameter == pytest.approx(expected.diameter, rel=0.005)
    assert found.centre_x == pytest.approx(expected.centre_x, abs=2)


def test_noise_and_a_label_on_the_border_do_not_matter() -> None:
    clean = draw_fundus(356, 536)
    dirty = np.maximum(clean, np.random.default_rng(0).integers(0, 14, clean.shape).astype(np.uint8))
    dirty[8:24, 4:44] = 230
    expected, found = find_field_of_view(clean), find_field_of_view(dirty)
    assert found.diameter == pytest.approx(expected.diameter, abs=2)
    assert found.centre_x == pytest.approx(expected.centre_x, abs=1)


def test_dark_retina_stays_inside_where_otsu_would_cut_it() -> None:
    photo = draw_fundus(356, 536, brightness=0.6)
    photo[:, 300:] = (photo[:, 300:] * 0.4).astype(np.uint8)
    assert find_field_of_view(photo).diameter == pytest.approx(0.8 * 536, abs=4)


def test_retina_that_fills_the_frame_has_the_diagonal() -> None:
    field = find_field_of_view(draw_fundus(400, 400, diameter=1.6))
    assert field.diameter == pytest.approx(400 * np.sqrt(2), rel=0.01)
    assert field.box == (0, 0, 400, 400)


def test_grey_photograph_needs_its_rim() -> None:
    disc, full = draw_fundus(356, 536)[..., :1].repeat(3, 2), draw_fundus(400, 400, diameter=1.6)[..., :1].repeat(3, 2)
    assert find_field_of_view(disc).diameter == pytest.approx(0.8 * 536, abs=3)
    with pytest.raises(DataError, match="colours"):
        find_field_of_view(full)


def garbage() -> dict[str, tuple[np.ndarray, str]]:
    random = np.random.default_rng(0)
    page = Image.new("RGB", (400, 500), "white")
    for line in range(30):
        ImageDraw.Draw(page).text((20, 16 * line), "grade the photograph of the eye " * 2, fill="black")
    gradient = np.linspace(0, 255, 300)[None, :, None].repeat(200, 0).repeat(3, 2)
    sunset = np.stack([gradient[..., 0], gradient[..., 0] * 0.6, gradient[..., 0] * 0.1], 2)
    y, x = np.mgrid[:300, :400]
    sky = np.where(((y - 150) ** 2 + (x - 200) ** 2 < 120**2)[..., None], random.integers(60, 200, (300, 400, 3)), 0)
    sky[..., 0] //= 2
    square = np.zeros((300, 400, 3))
    square[80:220, 60:300] = draw_fundus(140, 240, diameter=2.0)
    return {
        "white": (np.full((300, 400, 3), 255), "uniform"),
        "black": (np.zeros((300, 400, 3)), "dark"),
        "noise": (random.integers(0, 256, (300, 400, 3)), "colours"),
        "text": (np.asarray(page), "colours"),
        "gradient": (gradient, "no fundus"),
        "sunset": (sunset, "no fundus"),
        "blue disc": (sky, "colours"),
        "red disc": (np.where(sky > 0, np.array([170, 80, 30]), 0), "uniform"),
        "red square": (square, "circle|round"),
        "tiny": (draw_fundus(60, 90), "too small"),
        "small field": (draw_fundus(300, 400, diameter=0.2), "small|dark"),
        "crescent": (np.where(x[..., None] < 200, draw_fundus(300, 400, diameter=0.7), 0), "round|circle|surround"),
    }


@pytest.mark.parametrize("kind", list(garbage()))
def test_garbage_is_refused_with_the_reason(kind: str) -> None:
    picture, reason = garbage()[kind]
    with pytest.raises(DataError, match=reason) as caught:
        find_field_of_view(picture.astype(np.uint8), name="file.jpg")
    assert "file.jpg is no fundus photograph" in str(caught.value)


@pytest.mark.real
def test_real_photographs_are_accepted_and_pets_refused(real_data: Path, real_idrid: Path) -> None:
    photographs = sorted(real_idrid.glob("[AB].*/1.*/a.*/*.jpg"))[::11]
    diameters = []
    for path in photographs:
        read = read_photograph(path, at_least=(1, 536))
        diameters.append(find_field_of_view(read.pixels_HW3, photo_size=read.full_size).diameter / read.full_size[1])
    assert len(photographs) == 41
    assert 0.79 < min(diameters) < max(diameters) < 0.89
    for path in sorted(real_data.glob("oxford_pets_3breeds/images/*.jpg"))[::6]:
        with pytest.raises(DataError, match="no fundus"):
            find_field_of_view(read_photograph(path).pixels_HW3)
