"""Losses as typed."""

from __future__ import annotations

import pytest

from shared.errors import ConfigError
from shared.observatory import is_pixelwise, make_loss, make_losses
from shared.observatory.choice import DEFAULT, split_losses


def test_settings_reach_the_loss() -> None:
    loss = make_loss("cross_entropy(class_weights=[1, 4])")
    assert loss.parts == ("cross_entropy",)
    assert loss.weights_K.tolist() == [1, 4]
    assert make_loss(" focal(gamma=5) ").gamma == 5


def test_commas_in_brackets_separate_nothing() -> None:
    text = "dice, cross_entropy(class_weights=[1,2]),focal(gamma=3, class_weights=[1, 2]),"
    assert split_losses(text) == [
        "dice",
        "cross_entropy(class_weights=[1,2])",
        "focal(gamma=3, class_weights=[1, 2])",
    ]
    assert split_losses("") == []


def test_default_ones_are_made_and_told_apart() -> None:
    pixelwise = [is_pixelwise(loss) for loss in make_losses(DEFAULT).values()]
    assert pixelwise == [True] * 8 + [False] * 5
    assert not is_pixelwise(make_loss("dice_cross_entropy"))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("focal(gama=3)", "gama"),
        ("focal(3)", "not a name with keyword"),
        ("focal(gamma=print())", "focal"),
        ("2 + 2", "not a name"),
        ("dice(", "dice"),
        ("tverskyy", "did you mean 'tversky'"),
    ],
)
def test_what_cannot_be_read(text: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        make_loss(text)
