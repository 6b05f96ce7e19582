import numpy as np
import pytest
import torch
from monai.transforms import RandAffined

from shared.transforms import RandIsotropicAffined

ARGUMENTS = {"keys": ["image"], "prob": 1.0, "scale_range": [[-0.3, 0.3], [-0.3, 0.3]], "mode": "nearest"}


def extents(transform, *, draws=12):
    """Height and width [N,2] of a drawn square after each random transform."""
    image = torch.zeros(1, 64, 64)
    image[:, 20:44, 20:44] = 1
    sizes = []
    for draw in range(draws):
        transform.set_random_state(seed=draw)
        out = transform({"image": image.clone()})["image"][0] > 0
        sizes.append([int(out.any(1).sum()), int(out.any(0).sum())])
    return np.array(sizes)


def test_a_square_stays_a_square_of_varying_size():
    sizes = extents(RandIsotropicAffined(**ARGUMENTS))
    assert np.abs(sizes[:, 0] - sizes[:, 1]).max() <= 1
    assert np.ptp(sizes[:, 0]) > 5


def test_monais_own_stretches_so_this_test_can_fail():
    sizes = extents(RandAffined(**ARGUMENTS))
    assert np.abs(sizes[:, 0] - sizes[:, 1]).max() > 3


def test_everything_but_the_zoom_is_monais():
    quiet = {**ARGUMENTS, "scale_range": None, "rotate_range": 0.5, "translate_range": (4.0, 6.0)}
    ours, theirs = RandIsotropicAffined(**quiet), RandAffined(**quiet)
    image = torch.rand(1, 40, 48)
    for seed in range(3):
        ours.set_random_state(seed=seed)
        theirs.set_random_state(seed=seed)
        torch.testing.assert_close(ours({"image": image})["image"], theirs({"image": image})["image"])


@pytest.mark.parametrize("seed", [0, 1])
def test_image_and_mask_move_together(seed):
    transform = RandIsotropicAffined(
        keys=["image", "masks"], prob=1.0, scale_range=[[-0.3, 0.3], [-0.3, 0.3]], rotate_range=0.3, mode="nearest"
    )
    transform.set_random_state(seed=seed)
    image = (torch.rand(1, 32, 32) > 0.5).float()
    out = transform({"image": image, "masks": image.clone()})
    assert torch.equal(out["image"], out["masks"])
