"""Loss and gradient of one pixel against its true class's logit, for any loss on one scale.

Dimensions: N values of the logit, P pixels of the scene, H W its rows and columns.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from shared.errors import ConfigError
from shared.losses.segmentation import SegmentationLoss

CERTAIN = 40.0


class Scene(NamedTuple):
    """An image of two classes in which one pixel is looked at: the other pixels, on which set losses depend.

    A disc in the middle of a square of ``side`` pixels is class 1. Every pixel's false class has logit 0, the true
    class of every other pixel has ``rest``. The pixel is the disc's middle, or in the background halfway between
    the disc and a side.
    """

    side: int = 32
    diameter: float = 16.0
    rest: float = 2.0
    on_disc: bool = True

    @property
    def label_HW(self) -> Tensor:
        """Class indices, int64."""
        y, x = torch.meshgrid(torch.arange(self.side), torch.arange(self.side), indexing="ij")
        middle = self.side // 2
        return ((y - middle) ** 2 + (x - middle) ** 2 <= (self.diameter / 2) ** 2).long()

    @property
    def pixel(self) -> tuple[int, int]:
        """Row and column of the pixel looked at."""
        middle = self.side // 2
        return (middle, middle) if self.on_disc else (middle, round((self.side - self.diameter) / 4))

    @property
    def text(self) -> str:
        """What the other pixels are, in words."""
        place = "middle of the disc" if self.on_disc else "background"
        share, chance = float(self.label_HW.float().mean()), float(torch.tensor(self.rest).sigmoid())
        return (
            f"pixel: {place}; other pixels: a {self.side} x {self.side} image, {share:.1%} of it disc, "
            f"true-class logit {self.rest:g} (p = {chance:.2f})"
        )

    def logits(self, logit: Tensor) -> Tensor:
        """Logits [1,2,H,W] of the scene where the pixel's true class has the 0-d ``logit``."""
        label_HW = self.label_HW
        chosen_HW = torch.zeros(label_HW.shape, dtype=torch.bool)
        chosen_HW[self.pixel] = True
        true_HW = torch.where(chosen_HW, logit, torch.full_like(logit, self.rest))
        zero_HW = torch.zeros_like(true_HW)
        return torch.stack([torch.where(label_HW == k, true_HW, zero_HW) for k in range(2)])[None]


class LogitCurve(NamedTuple):
    """What one pixel adds to the loss, and its slope: both times the number of pixels, so that means are comparable.

    ``loss_N`` is ``P (L(z) - L(40))``: for cross entropy without weights the pixel's own ``-log p``, for other means
    over pixels the pixel's term under the loss's weights and normaliser, for set losses what the pixel costs beyond
    a certain and right one. ``gradient_N`` is ``P dL/dz``, by autograd.
    """

    logit_N: npt.NDArray[np.float64]
    loss_N: npt.NDArray[np.float64]
    gradient_N: npt.NDArray[np.float64]


def logit_curve(
    loss: SegmentationLoss, *, scene: Scene | None = None, low: float = -8.0, high: float = 8.0, points: int = 161
) -> LogitCurve:
    """Loss and gradient where the true class of the scene's pixel has logits from ``low`` to ``high``.

    Raises:
        ConfigError: the loss is not one of two classes, or the range is empty.
    """
    scene = scene or Scene()
    if loss.num_classes != 2:
        raise ConfigError(
            f"a loss of {loss.num_classes} classes", expected="two: background and one more", fix="num_classes=2"
        )
    if not low < high or points < 2:
        raise ConfigError(
            f"{points} logits from {low:g} to {high:g}", expected="at least two, increasing", fix="correct the range"
        )
    label_11HW = scene.label_HW[None, None]
    pixels = label_11HW.numel()
    certain = float(loss(scene.logits(torch.tensor(CERTAIN)), label_11HW).detach())
    logit_N = np.linspace(low, high, points)
    rows = []
    for value in logit_N.tolist():
        logit = torch.tensor(value, requires_grad=True)
        total = loss(scene.logits(logit), label_11HW)
        (slope,) = torch.autograd.grad(total, logit)
        rows.append((pixels * (float(total.detach()) - certain), pixels * float(slope)))
    loss_N, gradient_N = np.array(rows).T
    return LogitCurve(logit_N, loss_N, gradient_N)
