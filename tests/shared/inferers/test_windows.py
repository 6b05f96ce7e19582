"""Whole images and windows give the same where the network sees one pixel at a time; class maps of any size."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import nn

from shared.errors import ConfigError
from shared.inferers import make_inferer
from shared.networks import make_disc_unet


@pytest.mark.parametrize("size", [(40, 50), (20, 70), (20, 20)])
def test_windows_agree_with_the_whole_for_a_pointwise_network(size: tuple[int, int]) -> None:
    torch.manual_seed(0)
    network, image = nn.Conv2d(3, 2, 1), torch.rand(2, 3, *size)
    whole = make_inferer(amp=False)(image, network)
    parts = make_inferer(window=[24, 32], amp=False)(image, network)
    torch.testing.assert_close(whole, network(image))
    torch.testing.assert_close(parts, whole, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("backbone", ["classic", "padded"])
def test_every_network_can_be_moved_over_an_image(backbone: str) -> None:
    """The classic network takes windows that it continues by its frame, and sees each window's own border alone."""
    torch.manual_seed(0)
    network = make_disc_unet(backbone, channels=(4, 4, 4)).eval()
    image = torch.rand(1, 3, 50, 60)
    with torch.no_grad():
        parts = make_inferer(window=[32, 32], amp=False, overlap=0.5)(image, network)
        whole = make_inferer(amp=False)(image, network)
    assert parts.shape == whole.shape == (1, 2, 50, 60)
    difference = (parts - whole).abs().mean()
    assert 0 < difference < 0.5 * whole.std()


@pytest.mark.parametrize("window", [[32], [0, 32], 32])
def test_other_windows_are_refused(window: Any) -> None:
    with pytest.raises(ConfigError, match=r"a height and a width, or null"):
        make_inferer(window=window)
