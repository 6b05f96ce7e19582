"""Softmax losses on class maps against formulas written out."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from shared.errors import ConfigError
from shared.losses import SegmentationLoss
from shared.losses.segmentation import LOSSES

CASES = [2, 4]
ALL = list(LOSSES)


def data(classes: int) -> tuple[Tensor, Tensor]:
    torch.manual_seed(0)
    return torch.randn(3, classes, 6, 5), torch.randint(0, classes, (3, 1, 6, 5)).to(torch.uint8)


def one_hot(label: Tensor, classes: int) -> Tensor:
    return torch.stack([(label[:, 0] == k).float() for k in range(classes)], dim=1)


def dice_of(p: Tensor, t: Tensor, weights: list[float], *, first: int = 0, batch: bool = False) -> float:
    """Each image and class by itself."""
    losses = []
    images = [slice(None)] if batch else [slice(b, b + 1) for b in range(len(p))]
    for rows in images:
        for k in range(first, p.shape[1]):
            hits, total = float((p[rows, k] * t[rows, k]).sum()), float(p[rows, k].sum() + t[rows, k].sum())
            losses.append(weights[k] * (1 - (2 * hits + 1e-5) / (total + 1e-5)))
    return sum(losses) / len(losses)


def focal_of(p: Tensor, t: Tensor, weights: list[float], gamma: float) -> float:
    factor = torch.tensor(weights).view(1, -1, 1, 1)
    return float((-factor * t * (1 - p) ** gamma * p.log()).mean())


@pytest.mark.parametrize("classes", CASES)
@pytest.mark.parametrize("batch", [False, True])
@pytest.mark.parametrize("background", [False, True])
def test_weighted_dice(classes: int, batch: bool, background: bool) -> None:
    logits, label = data(classes)
    weights = [0.5 + k for k in range(classes)]
    loss = SegmentationLoss(
        name="dice", num_classes=classes, class_weights=weights, batch_dice=batch, include_background=background
    )
    expected = dice_of(logits.softmax(1), one_hot(label, classes), weights, first=int(not background), batch=batch)
    assert float(loss(logits, label)) == pytest.approx(expected, rel=1e-5)


def tversky_of(p: Tensor, t: Tensor, alpha: float, beta: float, epsilon: float = 1e-5) -> Tensor:
    """One minus the index of each image and class."""
    hits, false, missed = ((p * t).sum((2, 3)), (p * (1 - t)).sum((2, 3)), ((1 - p) * t).sum((2, 3)))
    return 1 - (hits + epsilon) / (hits + alpha * false + beta * missed + epsilon)


@pytest.mark.parametrize("background", [False, True])
def test_tversky_is_weighted_by_class(background: bool) -> None:
    logits, label = data(4)
    weights = torch.tensor([0.5, 1.5, 2.5, 3.5])
    settings = {"class_weights": weights.tolist(), "include_background": background, "alpha": 0.2, "beta": 0.9}
    losses_BK = tversky_of(logits.softmax(1), one_hot(label, 4), 0.2, 0.9)
    expected = (losses_BK * weights)[:, int(not background) :].mean()
    assert float(SegmentationLoss(name="tversky", **settings)(logits, label)) == pytest.approx(float(expected))
    rows = [one_hot(label, 4), logits.softmax(1)]
    t, p = (x.transpose(0, 1).reshape(1, 4, 1, -1) for x in rows)
    expected = (tversky_of(p, t, 0.2, 0.9) * weights)[:, int(not background) :].mean()
    batch = SegmentationLoss(name="tversky", batch_dice=True, **settings)
    assert float(batch(logits, label)) == pytest.approx(float(expected))


def test_tversky_of_equal_prices_is_dice() -> None:
    logits, label = data(4)
    tversky = SegmentationLoss(name="tversky", alpha=0.5, beta=0.5)(logits, label)
    assert float(tversky) == pytest.approx(float(SegmentationLoss(name="dice")(logits, label)), rel=1e-5)


def test_unified_focal() -> None:
    logits, label = data(2)
    p, t = logits.double().softmax(1), one_hot(label, 2).double()
    entropy = -t * p.log()
    pixels = torch.stack([0.4 * (1 - p[:, 0]).sqrt() * entropy[:, 0], 0.6 * entropy[:, 1]])
    index_BK = tversky_of(p, t, 0.4, 0.6, epsilon=1e-7)
    regions = torch.stack([index_BK[:, 0], index_BK[:, 1].sqrt()])
    expected = 0.5 * pixels.mean() + 0.5 * regions.mean()
    loss = SegmentationLoss(name="unified_focal", num_classes=2)(logits, label)
    assert float(loss) == pytest.approx(float(expected), rel=1e-5)


def test_unified_focal_of_half_precision_is_finite() -> None:
    _, label = data(2)
    logits = (16 * one_hot(label, 2)).to(torch.bfloat16).requires_grad_()
    SegmentationLoss(name="unified_focal", num_classes=2)(logits, label).backward()
    assert torch.isfinite(logits.grad).all()


def distance_to_other(mask_HW: Tensor) -> Tensor:
    """For each pixel, the distance to the nearest of the other kind; 0 where there is none."""
    field = torch.zeros(mask_HW.shape)
    for y, x in mask_HW.new_ones(mask_HW.shape).nonzero():
        others = (mask_HW != mask_HW[y, x]).nonzero() - torch.stack([y, x])
        if len(others):
            field[y, x] = others.double().norm(dim=1).min()
    return field


@pytest.mark.parametrize("background", [False, True])
def test_losses_of_distances(background: bool) -> None:
    logits, label = data(2)
    weights = torch.tensor([0.5, 2.0])
    p, t = logits.softmax(1), one_hot(label, 2)
    hausdorff, boundary = torch.zeros(3, 2), torch.zeros(3, 2)
    for b in range(3):
        for k in range(2):
            far_p, far_t = distance_to_other(p[b, k] > 0.5), distance_to_other(t[b, k] > 0.5)
            hausdorff[b, k] = ((p[b, k] - t[b, k]) ** 2 * (far_p**2 + far_t**2)).mean()
            boundary[b, k] = (p[b, k] * torch.where(t[b, k] > 0.5, 1 - far_t, far_t)).mean()
    for name, losses in (("hausdorff", hausdorff), ("boundary", boundary)):
        loss = SegmentationLoss(name=name, num_classes=2, class_weights=weights.tolist(), include_background=background)
        expected = (losses * weights)[:, int(not background) :].mean()
        assert float(loss(logits, label)) == pytest.approx(float(expected), rel=1e-5)


@pytest.mark.parametrize("classes", CASES)
@pytest.mark.parametrize("gamma", [0.0, 2.0, 4.0])
def test_focal_is_that_of_the_softmax(classes: int, gamma: float) -> None:
    logits, label = data(classes)
    weights = [0.5 + k for k in range(classes)]
    loss = SegmentationLoss(name="focal", num_classes=classes, class_weights=weights, gamma=gamma)
    expected = focal_of(logits.softmax(1), one_hot(label, classes), weights, gamma)
    assert float(loss(logits, label)) == pytest.approx(expected, rel=1e-5)
    # A softmax does not see a constant; a sigmoid would.
    assert float(loss(logits + 7, label)) == pytest.approx(expected, rel=1e-4)


def test_focal_without_focus_is_cross_entropy_over_classes() -> None:
    logits, label = data(4)
    focal = SegmentationLoss(name="focal", gamma=0.0)(logits, label)
    entropy = SegmentationLoss(name="cross_entropy")(logits, label)
    assert float(4 * focal) == pytest.approx(float(entropy), rel=1e-5)


def test_cross_entropy_weights_classes() -> None:
    logits, label = data(2)
    loss = SegmentationLoss(name="cross_entropy", num_classes=2, class_weights=[1, 3])
    log_p, t = logits.log_softmax(1), one_hot(label, 2)
    factors = torch.tensor([1.0, 3.0]).view(1, 2, 1, 1)
    expected = -(factors * t * log_p).sum() / (factors * t).sum()
    assert float(loss(logits, label)) == pytest.approx(float(expected), rel=1e-5)


def test_sums_and_their_weights() -> None:
    logits, label = data(4)
    dice, focal = (float(SegmentationLoss(name=name)(logits, label)) for name in ("dice", "focal"))
    both = SegmentationLoss(dice_weight=2.0, pixel_weight=5.0)(logits, label)
    assert float(both) == pytest.approx(2 * dice + 5 * focal, rel=1e-5)
    assert float(SegmentationLoss()(logits, label)) == pytest.approx(dice + focal, rel=1e-5)


@pytest.mark.parametrize("name", ALL)
def test_soft_labels_that_are_hard_give_the_same(name: str) -> None:
    classes = 2 if name == "unified_focal" else 4
    logits, label = data(classes)
    loss = SegmentationLoss(name=name, num_classes=classes)
    assert float(loss(logits, one_hot(label, classes))) == pytest.approx(float(loss(logits, label)), rel=1e-5)


def test_dice_of_soft_labels_is_lowest_where_they_are_met() -> None:
    target = torch.tensor([0.7, 0.3]).view(1, 2, 1, 1).expand(1, 2, 4, 4)
    loss = SegmentationLoss(name="dice", num_classes=2)
    met, surer = (float(loss((p * torch.ones(1, 2, 4, 4)).log(), target)) for p in (target, target**2))
    assert met == pytest.approx(0, abs=1e-5)
    assert surer > 0.01


@pytest.mark.parametrize("name", ALL)
@pytest.mark.parametrize("scale", [3.0, 8.0, 16.0, 40.0])
def test_certainty_about_the_truth_costs_nothing_and_gradients_are_finite(name: str, scale: float) -> None:
    classes = 2 if name == "unified_focal" else 4
    _, label = data(classes)
    logits = (scale * one_hot(label, classes)).requires_grad_()
    loss = SegmentationLoss(name=name, num_classes=classes)(logits, label)
    loss.backward()
    assert torch.isfinite(logits.grad).all()
    if scale == 40 and "boundary" not in name:  # which goes below 0
        assert float(loss) == pytest.approx(0, abs=1e-3)


@pytest.mark.parametrize("include_background", [True, False])
def test_an_empty_truth_punishes_false_alarms(include_background: bool) -> None:
    """Without fluid in truth, calling less of it costs less, background counted or not."""
    label = torch.zeros(1, 1, 8, 8, dtype=torch.uint8)
    losses = []
    for chance in (0.9, 0.5, 0.1):
        logits = torch.tensor([1 - chance, chance]).log().view(1, 2, 1, 1).expand(1, 2, 8, 8)
        losses.append(float(SegmentationLoss(num_classes=2, include_background=include_background)(logits, label)))
    assert losses == sorted(losses, reverse=True)
    assert not math.isnan(losses[0])


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"name": "dice_focl"}, r"did you mean 'dice_focal'"),
        ({"name": "tverski"}, r"did you mean 'tversky'"),
        ({"name": "unified_focal"}, r"two classes"),
        ({"name": "unified_focal", "num_classes": 2, "class_weights": [1, 2]}, r"weighted by the loss itself"),
        ({"class_weights": [1, 2]}, r"4 numbers of 0 or more"),
        ({"class_weights": [1, 1, 1, -1]}, r"4 numbers of 0 or more"),
        ({"gamma": -1}, r"gamma is -1"),
        ({"gamma": "2"}, r"gamma is '2'"),
        ({"pixel_weight": float("nan")}, r"pixel_weight is nan"),
        ({"alpha": 0, "beta": 0}, r"both 0"),
    ],
)
def test_bad_settings(settings: dict, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        SegmentationLoss(**settings)
