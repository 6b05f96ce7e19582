"""Canvas back to photograph."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from typing import Any

import torch
from monai.transforms import MapTransform
from monai.utils import ensure_tuple
from torch.nn import functional

from shared.data.geometry import Geometry, from_canvas


class RestorePhotographd(MapTransform):
    """Bring maps from the canvas back to the photograph's own size.

    Args:
        keys: maps ``[C, H, W]`` on the canvas, such as the probabilities ``pred``; they become float32
            ``[C, photo_height, photo_width]``, interpolated bilinearly.
        geometry_key: their `Geometry` as a tensor ``[8]``.
        inside_field: zero outside the field of view.
    """

    def __init__(
        self,
        keys: str | Sequence[str] = "pred",
        geometry_key: str = "geometry",
        inside_field: bool = True,
        allow_missing_keys: bool = False,
    ) -> None:
        super().__init__(ensure_tuple(keys), allow_missing_keys)
        self.geometry_key, self.inside_field = geometry_key, inside_field

    def __call__(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        geometry = Geometry.from_tensor(torch.as_tensor(data[self.geometry_key]))
        restored: dict[Hashable, Any] = dict(data)
        for key in self.key_iterator(restored):
            maps_CHW = torch.as_tensor(data[key])
            restored[key] = from_canvas(maps_CHW, geometry, inside_field=self.inside_field)
        return restored


class RestoreStretchedd(MapTransform):
    """Bring maps of a photograph that was resized whatever its shape back to its own size.

    Args:
        keys: maps ``[C, h, w]``, such as the probabilities ``pred``; they become float32 ``[C, H, W]``, interpolated
            bilinearly.
        size_key: the photograph's (height, width) as a tensor ``[2]``.
    """

    def __init__(
        self, keys: str | Sequence[str] = "pred", size_key: str = "photo_size", allow_missing_keys: bool = False
    ) -> None:
        super().__init__(ensure_tuple(keys), allow_missing_keys)
        self.size_key = size_key

    def __call__(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        height, width = (int(length) for length in torch.as_tensor(data[self.size_key]))
        restored: dict[Hashable, Any] = dict(data)
        for key in self.key_iterator(restored):
            maps_1CHW = torch.as_tensor(data[key]).as_subclass(torch.Tensor).float()[None]
            restored[key] = functional.interpolate(
                maps_1CHW, size=(height, width), mode="bilinear", align_corners=False, antialias=True
            )[0]
        return restored
