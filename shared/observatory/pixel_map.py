"""What each pixel costs, or how strongly it is pulled.

Dimensions: B batch, K classes, H W rows and columns.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from monai.networks.utils import one_hot
from torch import Tensor

from shared.errors import ConfigError
from shared.losses.segmentation import FOCAL, SegmentationLoss
from shared.observatory.choice import is_pixelwise


class PixelMap(NamedTuple):
    """A map per image.

    Of a pixel-wise loss: ``values_BHW`` is the loss of each pixel before weights, and ``mean`` under the loss's own
    ``weights_BHW`` and ``normaliser`` is the loss. Of a set loss (``weights_BHW`` None): ``values_BHW`` is the largest
    ``|dL/dlogit|`` of the pixel's classes, and there is no mean.
    """

    values_BHW: Tensor
    weights_BHW: Tensor | None = None
    normaliser: float = 1.0

    @property
    def title(self) -> str:
        return "|dL/dlogit|" if self.weights_BHW is None else "loss of each pixel"

    def mean(self) -> Tensor:
        """The loss that the map was made of, 0-d.

        Raises:
            ConfigError: the map is one of gradients.
        """
        if self.weights_BHW is None:
            raise ConfigError(
                "the mean of a map of |dL/dlogit|", expected="a pixel-wise loss", fix="choose cross_entropy or focal"
            )
        return (self.values_BHW * self.weights_BHW).sum() / self.normaliser


def pixel_map(loss: SegmentationLoss, logits_BKHW: Tensor, label_B1HW: Tensor) -> PixelMap:
    """The map of one loss.

    Args:
        loss: any.
        logits_BKHW: any real.
        label_B1HW: class indices.
    """
    if is_pixelwise(loss):
        with torch.no_grad():
            return _costs(loss, logits_BKHW, label_B1HW)
    logits_BKHW = logits_BKHW.detach().requires_grad_()
    with torch.enable_grad():
        (gradient_BKHW,) = torch.autograd.grad(loss(logits_BKHW, label_B1HW), logits_BKHW)
    return PixelMap(gradient_BKHW.abs().amax(1))


def _costs(loss: SegmentationLoss, logits_BKHW: Tensor, label_B1HW: Tensor) -> PixelMap:
    label_BHW = label_B1HW[:, 0].long()
    truth_BKHW = one_hot(label_B1HW, num_classes=loss.num_classes, dtype=torch.float32)
    log_p_BHW = (logits_BKHW.float().log_softmax(1) * truth_BKHW).sum(1)
    weights_BHW = loss.weights_K.to(log_p_BHW)[label_BHW]
    if FOCAL in loss.parts:
        values_BHW = -(-log_p_BHW.expm1()).pow(loss.gamma) * log_p_BHW
        normaliser = float(truth_BKHW.numel())
    else:
        values_BHW, normaliser = -log_p_BHW, float(weights_BHW.sum())
    return PixelMap(values_BHW, loss.pixel_weight * weights_BHW, normaliser)
