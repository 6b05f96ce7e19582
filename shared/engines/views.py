"""Random views of images that are already tensors: noise, intensity, blur, CutMix.

All numbers come from torch's global generator, which `shared.handlers.ReproducibleSteps` seeds for every iteration; of
several ranks, each takes its share of those drawn for the common batch.
Dimensions: B batch, C channels, H W rows and columns. Images are in 0..1; no view moves a pixel, so that maps keep
their places, except CutMix, which moves maps along.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional

from shared.ranks import drawn_share

NOISE_VARIANCE = 0.01
RADIUS = 6


def add_noise(image_BCHW: Tensor, *, variance: float = NOISE_VARIANCE) -> Tensor:
    """Gaussian noise, independent for each pixel; not clipped (published: variance .01)."""
    noise_BCHW = drawn_share(torch.randn, image_BCHW.shape, dtype=image_BCHW.dtype, device=image_BCHW.device)
    return image_BCHW + math.sqrt(variance) * noise_BCHW


def jitter(image_BCHW: Tensor, *, contrast: float = 0.5, brightness: float = 0.25, gamma: float = 0.5) -> Tensor:
    """Gamma, contrast about the image's mean, and brightness, drawn for each image; clipped to 0..1.

    Args:
        contrast: factor from ``1 - contrast`` to ``1 + contrast``.
        brightness: added, from ``-brightness`` to ``brightness``.
        gamma: exponent from ``exp(-gamma)`` to ``exp(gamma)``.
    """
    draws_3B111 = drawn_share(torch.rand, (3, len(image_BCHW), 1, 1, 1), dim=1, device=image_BCHW.device) * 2 - 1
    out = image_BCHW.clamp(0, 1).pow(torch.exp(gamma * draws_3B111[0]))
    mean_B111 = out.mean(dim=(1, 2, 3), keepdim=True)
    out = (out - mean_B111) * (1 + contrast * draws_3B111[1]) + mean_B111
    return (out + brightness * draws_3B111[2]).clamp(0, 1)


def blur(image_BCHW: Tensor, *, sigma: tuple[float, float] = (0.1, 2.0), probability: float = 0.5) -> Tensor:
    """Gaussian blur with a width drawn for each image, pixels; each image with a probability, edges replicated."""
    batch, channels = image_BCHW.shape[:2]
    if not batch:
        return image_BCHW
    device = image_BCHW.device
    width_B1 = sigma[0] + (sigma[1] - sigma[0]) * drawn_share(torch.rand, (batch, 1), device=device)
    blurred_B111 = drawn_share(torch.rand, (batch, 1, 1, 1), device=device) < probability
    offset_R = torch.arange(-RADIUS, RADIUS + 1, device=device)
    kernel_BR = torch.exp(-0.5 * (offset_R / width_B1) ** 2)
    kernel_NR = (kernel_BR / kernel_BR.sum(dim=1, keepdim=True)).repeat_interleave(channels, dim=0)
    flat = functional.pad(image_BCHW.flatten(0, 1)[None], [RADIUS] * 4, mode="replicate")
    groups = batch * channels
    flat = functional.conv2d(flat, kernel_NR[:, None, :, None], groups=groups)
    flat = functional.conv2d(flat, kernel_NR[:, None, None, :], groups=groups)
    return torch.where(blurred_B111, flat.view_as(image_BCHW), image_BCHW)


def strengthen(image_BCHW: Tensor) -> Tensor:
    """The strong view of one image: jitter (with probability .8), blur (.5), noise."""
    jittered_B111 = drawn_share(torch.rand, (len(image_BCHW), 1, 1, 1), device=image_BCHW.device) < 0.8
    return add_noise(blur(torch.where(jittered_B111, jitter(image_BCHW), image_BCHW)))


class CutMix(NamedTuple):
    """A rectangle of every image is replaced by that of the image before it in the batch (of one image: by itself).

    Source: Yun et al., ICCV 2019; sizes as in UniMatch. ``inside_B1HW``: bool.
    """

    inside_B1HW: Tensor

    @classmethod
    def draw(cls, image_BCHW: Tensor, *, probability: float = 0.5) -> CutMix:
        """A rectangle of 2 to 40 % of the area, sides 1:3 to 3:1, for each image with a probability."""
        batch, _, height, width = image_BCHW.shape
        share, shape, top, left, chosen = drawn_share(torch.rand, (5, batch, 1, 1, 1), dim=1, device=image_BCHW.device)
        area = (0.02 + 0.38 * share) * height * width
        ratio = torch.exp((2 * shape - 1) * math.log(3))
        rows, columns = (area * ratio).sqrt().clamp(max=height), (area / ratio).sqrt().clamp(max=width)
        y = torch.arange(height, device=image_BCHW.device).view(1, 1, -1, 1) - top * (height - rows)
        x = torch.arange(width, device=image_BCHW.device).view(1, 1, 1, -1) - left * (width - columns)
        return cls((y >= 0) & (y < rows) & (x >= 0) & (x < columns) & (chosen < probability))

    def apply(self, maps_BCHW: Tensor) -> Tensor:
        """Images, probabilities or labels [B,C,H,W], cut and mixed alike."""
        return torch.where(self.inside_B1HW, maps_BCHW.roll(1, dims=0), maps_BCHW)
