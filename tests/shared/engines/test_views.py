"""Random views: statistics, image by image, and maps that follow their images."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from scipy.ndimage import gaussian_filter

from shared.engines.views import CutMix, add_noise, blur, jitter, strengthen


def images(count: int = 4, channels: int = 1, size: int = 32) -> torch.Tensor:
    return torch.rand(count, channels, size, size, generator=torch.Generator().manual_seed(0))


def test_noise_has_the_published_variance_and_is_new_each_time() -> None:
    torch.manual_seed(0)
    still = torch.full((2, 1, 256, 256), 0.5)
    first, second = add_noise(still) - still, add_noise(still) - still
    assert float(first.var()) == pytest.approx(0.01, rel=0.02)
    assert abs(float(first.mean())) < 1e-3
    assert abs(float((first * second).mean())) < 1e-4
    assert torch.equal(add_noise(still, variance=0.0), still)


@pytest.mark.parametrize("view", [add_noise, jitter, blur, strengthen])
def test_views_repeat_with_the_seed_keep_their_input_and_take_no_image(view: object) -> None:
    given = images()
    kept = given.clone()
    torch.manual_seed(1)
    first = view(given)
    torch.manual_seed(1)
    assert torch.equal(first, view(given))
    assert torch.equal(given, kept)
    assert not torch.equal(first, given)
    assert first.shape == given.shape
    assert view(given[:0]).shape == (0, 1, 32, 32)


def test_blur_equals_a_gaussian_of_each_images_width() -> None:
    given = images(channels=2)
    torch.manual_seed(2)
    found = blur(given, sigma=(0.5, 1.5), probability=1.0)
    torch.manual_seed(2)
    widths = 0.5 + torch.rand(4, 1)[:, 0]
    for image, width, blurred in zip(given, widths.tolist(), found, strict=True):
        for channel, expected in zip(image, blurred, strict=True):
            filtered = gaussian_filter(channel.numpy(), width, mode="nearest", radius=6)
            np.testing.assert_allclose(expected.numpy(), filtered, atol=1e-5)


def test_blur_leaves_images_alone_with_its_probability() -> None:
    torch.manual_seed(0)
    given = images(200, size=8)
    left = (blur(given, probability=0.3) == given).flatten(1).all(dim=1).float().mean()
    assert float(left) == pytest.approx(0.7, abs=0.1)


def test_jitter_equals_its_formula_and_stays_in_range() -> None:
    given = images()
    torch.manual_seed(3)
    found = jitter(given)
    torch.manual_seed(3)
    contrast_brightness = torch.rand(3, 4, 1, 1, 1) * 2 - 1
    for b, image in enumerate(given):
        exponent, contrast, brightness = (float(draw[b]) for draw in contrast_brightness)
        curved = image ** math.exp(0.5 * exponent)
        expected = (curved - curved.mean()) * (1 + 0.5 * contrast) + curved.mean() + 0.25 * brightness
        torch.testing.assert_close(found[b], expected.clamp(0, 1))
    assert 0 <= float(found.min()) <= float(found.max()) <= 1


def test_cutmix_takes_a_rectangle_of_the_image_before_and_moves_labels_along() -> None:
    torch.manual_seed(0)
    given = images(6)
    mix = CutMix.draw(given, probability=1.0)
    cut, classes = mix.apply(given), mix.apply((given * 4).long())
    for b in range(6):
        inside = mix.inside_B1HW[b, 0]
        rows, columns = inside.any(dim=1), inside.any(dim=0)
        assert torch.equal(inside, rows[:, None] & columns[None])
        assert 0.01 < float(inside.float().mean()) < 0.45
        assert torch.equal(cut[b, 0][inside], given[b - 1, 0][inside])
        assert torch.equal(cut[b, 0][~inside], given[b, 0][~inside])
    assert torch.equal(classes, (cut * 4).long())


def test_cutmix_chooses_images_with_its_probability_and_mixes_one_with_itself() -> None:
    torch.manual_seed(0)
    chosen = CutMix.draw(images(400, size=8), probability=0.25).inside_B1HW.flatten(1).any(dim=1).float().mean()
    assert float(chosen) == pytest.approx(0.25, abs=0.07)
    alone = images(1)
    assert torch.equal(CutMix.draw(alone, probability=1.0).apply(alone), alone)
    assert not CutMix.draw(alone, probability=0.0).inside_B1HW.any()
