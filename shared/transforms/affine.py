"""MONAI's random affine transform with one zoom for all axes."""

from __future__ import annotations

from typing import Any

from monai.transforms import RandAffined, RandAffineGrid


class RandIsotropicAffined(RandAffined):
    """`monai.transforms.RandAffined` that zooms all axes alike, as torchvision's and the published systems' do.

    MONAI draws a zoom for each axis, which also stretches. ``scale_range`` is given per axis as there; the first
    axis's is used.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        grid = self.rand_affine.rand_affine_grid
        self.rand_affine.rand_affine_grid = OneZoomGrid(
            rotate_range=grid.rotate_range,
            shear_range=grid.shear_range,
            translate_range=grid.translate_range,
            scale_range=grid.scale_range,
            device=grid.device,
            dtype=grid.dtype,
            lazy=grid.lazy,
        )


class OneZoomGrid(RandAffineGrid):
    """A random affine grid whose axes share the first axis's zoom."""

    def randomize(self, data: Any | None = None) -> None:
        super().randomize(data)
        zooms = self.scale_params or []
        self.scale_params = zooms[:1] * len(zooms)
