"""Contrast enhancement of fundus photographs, inside the field of view only."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from monai.transforms import Transform
from numpy.typing import NDArray
from scipy import ndimage
from skimage import color, exposure

from shared.data.geometry import Geometry, disc_mask
from shared.errors import ConfigError

METHODS = ("none", "clahe", "ben_graham")


class EnhanceContrastd(Transform):
    """Even out illumination and contrast of ``image`` (uint8 ``[3, H, W]`` with its ``geometry``), before normalising.

    ``clahe``: contrast-limited adaptive histogram equalisation (Zuiderveld 1994) of the lightness L*.
    ``ben_graham``: 128 + 4 x (photograph - its local mean), the mean by a Gaussian of a thirtieth of the field's radius
    (B. Graham, Kaggle diabetic retinopathy detection 2015); here the mean counts pixels of the field only, so that the
    rim does not glow.

    Args:
        method: one of ``"none"``, ``"clahe"``, ``"ben_graham"``.
        clip_limit: of ``clahe``, in 0..1.
        tiles: of ``clahe``, along the field's diameter.
    """

    def __init__(self, method: str = "none", clip_limit: float = 0.01, tiles: int = 8) -> None:
        if method not in METHODS:
            raise ConfigError(
                f"contrast enhancement {method!r}", expected=f"one of {', '.join(METHODS)}", fix="correct the key"
            )
        self.method, self.clip_limit, self.tiles = method, clip_limit, tiles

    def __call__(self, data: Mapping[str, Any]) -> dict[str, Any]:
        if self.method == "none":
            return dict(data)
        geometry = Geometry.from_tensor(data["geometry"])
        image_HW3 = np.asarray(data["image"]).transpose(1, 2, 0)
        field_HW = disc_mask(geometry, image_HW3.shape[:2])
        diameter = geometry.diameter * geometry.scale
        if self.method == "clahe":
            enhanced_HW3 = self._clahe(image_HW3, diameter)
        else:
            enhanced_HW3 = _ben_graham(image_HW3, field_HW, diameter / 60)
        enhanced_HW3 = np.where(field_HW[..., None], np.rint(enhanced_HW3.clip(0, 255)), 0).astype(np.uint8)
        return dict(data) | {"image": torch.from_numpy(np.ascontiguousarray(enhanced_HW3.transpose(2, 0, 1)))}

    def _clahe(self, image_HW3: NDArray[np.uint8], diameter: float) -> NDArray:
        lab_HW3 = color.rgb2lab(image_HW3)
        tile = max(8, int(diameter / self.tiles))
        lightness_HW = exposure.equalize_adapthist(lab_HW3[..., 0] / 100, kernel_size=tile, clip_limit=self.clip_limit)
        lab_HW3[..., 0] = 100 * lightness_HW
        return 255 * color.lab2rgb(lab_HW3)


def _ben_graham(image_HW3: NDArray[np.uint8], field_HW: NDArray[np.bool_], sigma: float) -> NDArray:
    inside_HW = field_HW.astype(np.float32)
    weight_HW = ndimage.gaussian_filter(inside_HW, sigma).clip(1e-6)
    enhanced_HW3 = np.empty(image_HW3.shape, dtype=np.float32)
    for channel in range(3):
        colour_HW = image_HW3[..., channel].astype(np.float32)
        mean_HW = ndimage.gaussian_filter(colour_HW * inside_HW, sigma) / weight_HW
        enhanced_HW3[..., channel] = 128 + 4 * (colour_HW - mean_HW)
    return enhanced_HW3
