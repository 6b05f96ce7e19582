"""Dice and IoU of nested classes against scikit-learn; what is empty; sums over photographs."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from sklearn.metrics import f1_score, jaccard_score

from shared.errors import DataError

pytestmark = pytest.mark.usefixtures("fundus_scripts")


def scene(seed: int, *, classes: int = 3, size: tuple[int, int] = (13, 17)) -> tuple[torch.Tensor, torch.Tensor]:
    """Probabilities [K,H,W] and class numbers [1,H,W]."""
    generator = torch.Generator().manual_seed(seed)
    scores = 2 * torch.randn(classes, *size, generator=generator)
    return scores.softmax(0), torch.randint(0, classes, (1, *size), generator=generator).to(torch.uint8)


def test_it_equals_scikit_learn_on_nested_masks() -> None:
    from scripts.validation import NestedTally

    tally = NestedTally(["disc", "cup"])
    scenes = [scene(seed, size=(9 + seed, 11)) for seed in range(4)]
    for pair in scenes:
        tally.update(pair)
    figures = tally.compute()
    for number, name in enumerate(["disc", "cup"], start=1):
        masks = [(label[0].numpy() >= number, p[number:].sum(0).numpy() > 0.5) for p, label in scenes]
        for measure, function in (("Dice", f1_score), ("IoU", jaccard_score)):
            expected = np.mean([function(truth.ravel(), found.ravel()) for truth, found in masks])
            assert figures[f"{measure}_{name}"] == pytest.approx(expected)
    assert figures["score"] == figures["Dice_mean"] == pytest.approx((figures["Dice_disc"] + figures["Dice_cup"]) / 2)
    assert list(figures) == tally.names()


def test_the_disc_holds_its_cup() -> None:
    """Neither rim nor cup is likelier than the background, the disc is."""
    from scripts.validation import NestedTally

    tally = NestedTally(["disc", "cup"])
    tally.update((torch.tensor([0.4, 0.3, 0.3]).view(3, 1, 1), torch.ones(1, 1, 1)))
    assert tally.compute()["Dice_disc"] == 1


@pytest.mark.parametrize(("found", "expected"), [(0.0, 1.0), (0.9, 0.0)])
def test_an_empty_cup(found: float, expected: float) -> None:
    from scripts.validation import NestedTally

    tally = NestedTally(["disc", "cup"])
    maps = torch.stack([torch.zeros(4, 4), torch.full((4, 4), 1 - found), torch.full((4, 4), found)])
    tally.update((maps, torch.ones(1, 4, 4)))
    figures = tally.compute()
    assert (figures["Dice_cup"], figures["IoU_cup"], figures["Dice_disc"]) == (expected, expected, 1)


def test_nothing_to_validate_on() -> None:
    from scripts.validation import NestedTally

    with pytest.raises(DataError, match=r"--validation_fraction"):
        NestedTally(["disc"]).compute()
