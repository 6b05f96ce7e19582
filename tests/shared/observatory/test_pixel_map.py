"""Per-pixel maps: their mean is the loss, or they are its gradient."""

from __future__ import annotations

import pytest
import torch

from shared.errors import ConfigError
from shared.losses.segmentation import LOSSES
from shared.observatory import is_pixelwise, make_loss, pixel_map

TEXTS = [
    "cross_entropy",
    "cross_entropy(class_weights=[1,2,0,4])",
    "cross_entropy(class_weights=[1,2,3,4], pixel_weight=3)",
    "focal(gamma=0)",
    "focal(gamma=5)",
    "focal(gamma=2, class_weights=[1,2,0,4], pixel_weight=0.5)",
]


def data(classes: int = 4) -> tuple[torch.Tensor, torch.Tensor]:
    torch.manual_seed(1)
    return 3 * torch.randn(2, classes, 7, 6), torch.randint(0, classes, (2, 1, 7, 6)).to(torch.uint8)


@pytest.mark.parametrize("text", TEXTS)
def test_mean_under_own_weights_and_normaliser_is_the_loss(text: str) -> None:
    logits, label = data()
    loss = make_loss(text, num_classes=4)
    found = pixel_map(loss, logits, label)
    assert found.values_BHW.shape == (2, 7, 6)
    assert float(found.mean()) == pytest.approx(float(loss(logits, label)), rel=1e-5)
    assert found.title == "loss of each pixel"


def test_values_are_each_pixels_own() -> None:
    logits, label = data()
    found = pixel_map(make_loss("focal(gamma=3, class_weights=[1,2,3,4])", num_classes=4), logits, label)
    for b, y, x in ((0, 0, 0), (1, 6, 5), (1, 3, 2)):
        p = logits[b, :, y, x].softmax(0)[int(label[b, 0, y, x])]
        assert float(found.values_BHW[b, y, x]) == pytest.approx(float(-((1 - p) ** 3) * p.log()), rel=1e-4)
        assert found.weights_BHW is not None
        assert float(found.weights_BHW[b, y, x]) == 1 + int(label[b, 0, y, x])


@pytest.mark.parametrize("name", [name for name in LOSSES if not is_pixelwise(make_loss(name))])
def test_set_losses_map_is_the_gradient(name: str) -> None:
    logits, label = data(2)
    loss = make_loss(name)
    found = pixel_map(loss, logits, label)
    logits.requires_grad_()
    loss(logits, label).backward()
    assert logits.grad is not None
    torch.testing.assert_close(found.values_BHW, logits.grad.abs().amax(1))
    assert found.title == "|dL/dlogit|"
    with pytest.raises(ConfigError, match="choose cross_entropy or focal"):
        found.mean()


def test_gradient_is_that_of_a_small_change() -> None:
    """Dice by central differences, in the pixel's larger logit slope."""
    logits, label = data(2)
    loss = make_loss("dice")
    found = pixel_map(loss, logits, label)
    for b, y, x in ((0, 1, 1), (1, 5, 0)):
        slopes = []
        for k in range(2):
            change = torch.zeros_like(logits)
            change[b, k, y, x] = 0.05
            slopes.append(float(loss(logits + change, label) - loss(logits - change, label)) / 0.1)
        assert float(found.values_BHW[b, y, x]) == pytest.approx(max(map(abs, slopes)), abs=2e-5)
