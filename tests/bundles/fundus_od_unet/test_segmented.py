"""From probabilities to masks: the cup inside the disc, the largest component."""

import numpy as np
import pytest
import torch

from shared.errors import ConfigError
from tests.support.errors import fails_with

pytestmark = pytest.mark.usefixtures("fundus_scripts")


def probabilities(num_classes, seed=0):
    return torch.randn(num_classes, 30, 40, generator=torch.Generator().manual_seed(seed)).softmax(0)


def test_of_the_disc_alone_it_is_the_most_probable_class():
    from scripts.segmented import segment

    maps = probabilities(2)
    found = segment(maps, ["disc"], keep_largest=False)
    assert np.array_equal(found.masks["disc"], maps.argmax(0).numpy() == 1)
    assert found.removed_px == {"disc": 0}


def test_the_disc_is_rim_and_cup():
    from scripts.segmented import masks_of_label, segment

    maps = probabilities(3)
    found = segment(maps, ["disc", "cup"], keep_largest=False).masks
    assert np.array_equal(found["disc"], (maps[1] + maps[2] > 0.5).numpy())
    assert np.array_equal(found["cup"], (maps[2] > 0.5).numpy())
    assert not (found["cup"] & ~found["disc"]).any()
    label = np.array([[0, 1, 2]])
    masks = masks_of_label(label, ["disc", "cup"])
    assert (masks["disc"].tolist(), masks["cup"].tolist()) == ([[False, True, True]], [[False, False, True]])


def test_only_the_largest_component_is_kept_and_what_was_removed_is_counted():
    from scripts.segmented import segment

    label = np.zeros((30, 40), int)
    label[5:15, 5:15] = 1
    label[7:11, 7:11] = 2
    label[13, 13] = 2
    label[20:23, 20:24] = 2
    maps = torch.from_numpy(np.eye(3)[label]).permute(2, 0, 1)
    found = segment(maps, ["disc", "cup"])
    expected = np.zeros((30, 40), bool)
    expected[5:15, 5:15] = True
    assert np.array_equal(found.masks["disc"], expected)
    assert found.masks["cup"].sum() == 16
    assert found.removed_px == {"disc": 12, "cup": 13}
    nothing = segment(torch.from_numpy(np.eye(3)[label * 0]).permute(2, 0, 1), ["disc", "cup"])
    assert not nothing.masks["disc"].any()


def test_another_number_of_classes_is_refused():
    from scripts.segmented import segment

    with fails_with(ConfigError, "gives 2 classes"):
        segment(probabilities(2), ["disc", "cup"])
