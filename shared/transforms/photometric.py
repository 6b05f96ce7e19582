"""Random brightness, contrast, saturation and hue: MONAI has no colour version of it."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from monai.transforms import MapTransform, RandomizableTransform
from monai.utils import ensure_tuple
from torch import Tensor

_LUMA = np.array([0.299, 0.587, 0.114])
_YIQ = np.array([_LUMA, [0.5959, -0.2746, -0.3213], [0.2115, -0.5227, 0.3112]])


class RandPhotometricd(RandomizableTransform, MapTransform):
    """Photometric distortion, as usual since SSD (Liu et al. 2016), as one colour matrix.

    In the order saturation, hue, contrast, brightness; each amount is uniform in its range. Hue turns the chrominance
    plane of YIQ, which for these small angles is what the usual detour by HSV does, at a tenth of its price.

    Args:
        keys: RGB images ``[3, H, W]`` of values 0..255; they become float32 of the same range.
        prob: how often anything is done.
        brightness: largest shift, in grey values.
        contrast: range of the factor.
        saturation: range of the factor.
        hue: largest turn, in degrees.
    """

    def __init__(
        self,
        keys: str | Sequence[str] = "image",
        prob: float = 0.5,
        brightness: float = 32.0,
        contrast: Sequence[float] = (0.5, 1.5),
        saturation: Sequence[float] = (0.5, 1.5),
        hue: float = 18.0,
        allow_missing_keys: bool = False,
    ) -> None:
        MapTransform.__init__(self, ensure_tuple(keys), allow_missing_keys)
        RandomizableTransform.__init__(self, prob)
        self.brightness, self.hue = brightness, hue
        self.contrast, self.saturation = (contrast[0], contrast[1]), (saturation[0], saturation[1])
        self.matrix_33, self.shift = np.eye(3), 0.0

    def randomize(self, data: Any | None = None) -> None:
        super().randomize(None)
        if not self._do_transform:
            return
        saturation, contrast = self.R.uniform(*self.saturation), self.R.uniform(*self.contrast)
        self.matrix_33 = contrast * colour_matrix(saturation=saturation, hue=self.R.uniform(-self.hue, self.hue))
        self.shift = float(self.R.uniform(-self.brightness, self.brightness))

    def __call__(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        distorted = dict(data)
        self.randomize()
        if self._do_transform:
            for key in self.key_iterator(distorted):
                distorted[key] = _apply(torch.as_tensor(distorted[key]), self.matrix_33, self.shift)
        return distorted


def colour_matrix(*, saturation: float, hue: float) -> np.ndarray:
    """Matrix ``[3, 3]`` on RGB columns; greys stay as they are. ``hue`` in degrees."""
    cosine, sine = np.cos(np.radians(hue)) * saturation, np.sin(np.radians(hue)) * saturation
    turn_33 = np.array([[1, 0, 0], [0, cosine, -sine], [0, sine, cosine]])
    return np.linalg.inv(_YIQ) @ turn_33 @ _YIQ


def _apply(image_3HW: Tensor, matrix_33: np.ndarray, shift: float) -> Tensor:
    flat_3N = image_3HW.reshape(3, -1).float()
    matrix = torch.as_tensor(matrix_33, dtype=torch.float32, device=flat_3N.device)
    offset = torch.full((3, 1), shift, device=flat_3N.device)
    return torch.addmm(offset, matrix, flat_3N).clamp_(0, 255).reshape(image_3HW.shape)
