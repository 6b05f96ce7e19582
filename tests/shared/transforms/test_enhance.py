from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy import ndimage

from shared.data.field_of_view import find_field_of_view
from shared.data.geometry import disc_mask, plan_canvas
from shared.errors import ConfigError
from shared.transforms.enhance import EnhanceContrastd
from tests.support.fundus import draw_fundus


@pytest.fixture(scope="module")
def sample() -> dict[str, torch.Tensor]:
    photo = draw_fundus(178, 268, seed=4)
    shade = np.linspace(0.5, 1.3, 268)[None, :, None]
    photo = np.clip(photo * shade, 0, 255).astype(np.uint8)
    geometry, _ = plan_canvas(find_field_of_view(photo), (178, 268), crop="none", divisor=2)
    return {"image": torch.from_numpy(photo.transpose(2, 0, 1).copy()), "geometry": geometry.to_tensor()}


def field(sample: dict[str, torch.Tensor]) -> np.ndarray:
    from shared.data.geometry import Geometry

    return disc_mask(Geometry.from_tensor(sample["geometry"]), (178, 268))


def test_none_changes_nothing(sample: dict[str, torch.Tensor]) -> None:
    assert EnhanceContrastd("none")(sample)["image"] is sample["image"]


@pytest.mark.parametrize("method", ["clahe", "ben_graham"])
def test_enhanced_inside_the_field_and_black_outside(sample: dict[str, torch.Tensor], method: str) -> None:
    image = EnhanceContrastd(method)(sample)["image"]
    assert (image.dtype, image.shape) == (torch.uint8, sample["image"].shape)
    inside = field(sample)
    assert image.numpy()[:, ~inside].max() == 0
    before, after = (picture.numpy()[1].astype(float) for picture in (sample["image"], image))
    inner = ndimage.binary_erosion(inside, iterations=12)
    contrast = [np.std((a - ndimage.gaussian_filter(a, 6))[inner]) for a in (before, after)]
    assert contrast[1] > 1.3 * contrast[0]


def test_ben_graham_evens_out_the_illumination_without_a_glowing_rim(sample: dict[str, torch.Tensor]) -> None:
    green = EnhanceContrastd("ben_graham")(sample)["image"].numpy()[1].astype(float)
    inside = field(sample)
    rim = inside & ~ndimage.binary_erosion(inside, iterations=3)
    columns = np.arange(268)[None, :].repeat(178, 0)
    left, right = green[inside & (columns < 90)].mean(), green[inside & (columns > 178)].mean()
    assert abs(left - right) < 12
    assert green[rim].mean() == pytest.approx(128, abs=15)


def test_unknown_method_is_refused() -> None:
    with pytest.raises(ConfigError, match="histogram"):
        EnhanceContrastd("histogram")
