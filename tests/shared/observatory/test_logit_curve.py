"""One pixel's loss and gradient against closed forms and differences."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest

from shared.errors import ConfigError
from shared.observatory import Scene, logit_curve, make_loss
from shared.observatory.choice import DEFAULT

SMALL = Scene(side=12, diameter=6.0)
Array = npt.NDArray[np.float64]


def sigmoid(z: Array) -> Array:
    return 1 / (1 + np.exp(-z))


def focal(z: Array, gamma: float) -> tuple[Array, Array]:
    """Value and slope of ``-(1 - p)^gamma log p``, the factor differentiated too."""
    p = sigmoid(z)
    entropy = np.log1p(np.exp(-z))
    return (1 - p) ** gamma * entropy, -((1 - p) ** gamma) * (gamma * p * entropy + 1 - p)


@pytest.mark.parametrize("weight", [1.0, 3.0])
@pytest.mark.parametrize("on_disc", [True, False])
def test_cross_entropy_is_its_closed_form(weight: float, on_disc: bool) -> None:
    scene = SMALL._replace(on_disc=on_disc)
    curve = logit_curve(make_loss(f"cross_entropy(class_weights=[1,{weight}])"), scene=scene, points=17)
    label = scene.label_HW.numpy()
    factor = (weight if on_disc else 1.0) * label.size / np.where(label, weight, 1.0).sum()
    z = curve.logit_N
    np.testing.assert_allclose(curve.loss_N, factor * np.log1p(np.exp(-z)), rtol=1e-4, atol=1e-4)
    np.testing.assert_allclose(curve.gradient_N, factor * (sigmoid(z) - 1), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("gamma", [0.5, 1, 2, 3, 5])
def test_focal_is_its_closed_form_with_the_factor_differentiated(gamma: float) -> None:
    curve = logit_curve(make_loss(f"focal(gamma={gamma})"), scene=SMALL, points=17)
    loss, slope = focal(curve.logit_N, gamma)
    np.testing.assert_allclose(2 * curve.loss_N, loss, rtol=1e-4, atol=1e-4)
    np.testing.assert_allclose(2 * curve.gradient_N, slope, rtol=1e-4, atol=1e-7)
    detached = -((1 - sigmoid(curve.logit_N)) ** gamma) * (1 - sigmoid(curve.logit_N))
    assert np.abs(2 * curve.gradient_N - detached).max() > 0.05


@pytest.mark.parametrize("on_disc", [True, False])
@pytest.mark.parametrize("rest", [-1.0, 2.0])
@pytest.mark.parametrize(("name", "alpha", "beta"), [("dice", 0.5, 0.5), ("tversky", 0.3, 0.7)])
def test_overlap_losses_are_their_closed_form(name: str, alpha: float, beta: float, rest: float, on_disc: bool) -> None:
    """Sums over the other pixels follow from their number and probability, the slope from the quotient rule."""
    scene = SMALL._replace(rest=rest, on_disc=on_disc)
    curve = logit_curve(make_loss(name), scene=scene, points=17)
    disc, size = int(scene.label_HW.sum()), scene.label_HW.numel()
    p, q = sigmoid(curve.logit_N), float(sigmoid(np.array(rest)))
    slope = p * (1 - p)
    losses, slopes = np.zeros_like(p), np.zeros_like(p)
    for own in (True, False):
        inside = disc if own == on_disc else size - disc
        outside = size - inside
        if own:  # the pixel's own class: it is a hit or a miss
            hits, missed, false = (inside - 1) * q + p, (inside - 1) * (1 - q) + 1 - p, outside * (1 - q)
            d_hits, d_price = 1, -beta
        else:  # the other class: it is a false alarm
            hits, missed, false = inside * q, inside * (1 - q), (outside - 1) * (1 - q) + 1 - p
            d_hits, d_price = 0, -alpha
        total = hits + alpha * false + beta * missed
        losses += (1 - hits / total) / 2
        slopes -= (d_hits * total - hits * (d_hits + d_price)) / total**2 * slope / 2
    np.testing.assert_allclose(curve.gradient_N, size * slopes, rtol=1e-3, atol=1e-6)
    certain = curve.loss_N - size * losses
    np.testing.assert_allclose(certain, certain[0], atol=1e-3)


@pytest.mark.parametrize("name", [name for name in DEFAULT if name != "hausdorff"])
def test_slope_is_that_of_the_curve(name: str) -> None:
    """The sum of slopes is the rise; for Hausdorff the distances jump where the pixel's class does."""
    curve = logit_curve(make_loss(name), scene=SMALL, low=-4, high=4, points=65)
    steps = np.diff(curve.logit_N)
    rise = np.concatenate([[0], np.cumsum(steps * (curve.gradient_N[1:] + curve.gradient_N[:-1]) / 2)])
    scale = max(1.0, float(np.abs(curve.loss_N).max()))
    np.testing.assert_allclose(rise, curve.loss_N - curve.loss_N[0], atol=3e-3 * scale)


def test_hausdorff_slope_on_either_side_of_the_jump() -> None:
    curve = logit_curve(make_loss("hausdorff(include_background=False)"), scene=SMALL, points=16)
    p = sigmoid(curve.logit_N)
    missed = p < 0.5
    assert missed.any()
    # d/dz (p - 1)^2 D with the truth's squared distance plus that of the prediction: 1 where the pixel is missed.
    inside = (SMALL.label_HW == 1).nonzero().numpy()
    outside = (SMALL.label_HW == 0).nonzero().numpy()
    assert list(SMALL.pixel) in inside.tolist()
    far = ((outside - np.array(SMALL.pixel)) ** 2).sum(1).min()
    expected = -2 * (1 - p) ** 2 * p * (far + np.where(missed, 1, far))
    np.testing.assert_allclose(curve.gradient_N, expected, rtol=1e-4)


def test_the_scene_says_what_the_other_pixels_are() -> None:
    scene = Scene(side=20, diameter=8.0, rest=0.0)
    assert scene.text.startswith("pixel: middle of the disc; other pixels: a 20 x 20 image, 12.3% of it disc")
    assert scene.text.endswith("true-class logit 0 (p = 0.50)")
    assert scene.label_HW[scene.pixel] == 1
    background = scene._replace(on_disc=False)
    assert background.label_HW[background.pixel] == 0


def test_other_pixels_change_set_losses_only() -> None:
    scenes = [SMALL, SMALL._replace(rest=-1.0)]
    for name, depends in (("cross_entropy", False), ("focal", False), ("dice", True), ("tversky", True)):
        one, other = (logit_curve(make_loss(name), scene=scene, points=5).gradient_N for scene in scenes)
        assert (np.abs(one - other).max() > 0.01) == depends


def test_bad_ranges_and_classes() -> None:
    with pytest.raises(ConfigError, match="a loss of 4 classes"):
        logit_curve(make_loss("dice", num_classes=4))
    with pytest.raises(ConfigError, match="at least two, increasing"):
        logit_curve(make_loss("dice"), low=1, high=1)
