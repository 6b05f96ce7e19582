"""Disc photographs onto the network's canvas: one preprocessing for training, evaluation and inference."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from monai.transforms import Transform
from numpy.typing import NDArray

from scripts.entry import CUP, DISC
from scripts.masks import read_label, read_view
from shared.data.field_of_view import FieldOfView
from shared.data.geometry import Canvas, plan_canvas, to_canvas
from shared.errors import ConfigError, DataError

CLASSES = ((DISC,), (DISC, CUP))


class LoadDiscd(Transform):
    """Read a photograph, of a stereo one its left view, and its masks as one label map.

    The whole view is scaled to fit ``image_size``, never stretched, and centred on black. From an item of
    `make_datalist` it makes ``image`` uint8 ``[3, H, W]``, ``geometry`` float64 ``[8]`` (of the view, see
    `shared.data.geometry`), ``path`` (the photograph's file) and, where the item has a ``disc``, ``label`` uint8
    ``[1, H, W]``: 0 background, 1 disc (its rim where the cup is a class too), 2 cup. All else is kept. A cup pixel
    outside the disc counts as cup.

    Args:
        image_size: (height, width) of the canvas.
        classes: ``["disc"]`` or ``["disc", "cup"]``.
        native: also give ``native_label`` uint8 ``[1, h, w]`` at the view's own size, for scoring.
        partial: take a photograph without a cup mask where the cup is a class: its label then is the disc alone.

    Raises:
        ConfigError: other classes, or a size that cannot be.
        DataError: files that cannot be read or do not fit; no cup mask where one is needed.
    """

    def __init__(
        self,
        image_size: Sequence[int],
        classes: Sequence[str] = (DISC,),
        native: bool = False,
        partial: bool = False,
    ) -> None:
        check_classes(classes)
        if not isinstance(image_size, Sequence) or len(image_size) != 2 or min(image_size) < 1:
            raise ConfigError(
                f"image_size is {image_size}", expected="a height and a width", fix="--image_size [512,512]"
            )
        self.image_size = (int(image_size[0]), int(image_size[1]))
        self.classes, self.native, self.partial = tuple(classes), native, partial

    def __call__(self, data: Mapping[str, Any]) -> dict[str, Any]:
        path, stereo = str(data["image"]), bool(data.get("stereo"))
        view = read_view(path, stereo=stereo)
        canvas = fit_canvas(view.full_size, self.image_size)
        image_HW3 = to_canvas(view.pixels_HW3, canvas.geometry, canvas.size, mode="photograph")
        sample = dict(data) | {
            "image": torch.from_numpy(np.ascontiguousarray(image_HW3.transpose(2, 0, 1))),
            "geometry": canvas.geometry.to_tensor(),
            "path": path,
        }
        if data.get(DISC):
            masks = self._read(data, view.full_size)
            drawn = [to_canvas(mask_HW, canvas.geometry, canvas.size, mode="mask") for mask_HW in masks]
            sample["label"] = as_label(drawn)
            if self.native:
                sample["native_label"] = as_label(masks)
        return sample

    def _read(self, data: Mapping[str, Any], size: tuple[int, int]) -> list[NDArray[np.bool_]]:
        """Masks of the classes, those there are."""
        if CUP in self.classes and not data.get(CUP) and not self.partial:
            raise DataError(
                f"{data['name']} has no mask of its cup by {data.get('reader', 'its reader')}",
                expected="masks of disc and cup, as `classes` says",
                fix="give --classes ['disc'], or another --reader",
            )
        kinds = [kind for kind in self.classes if data.get(kind)]
        rule, stereo = str(data["rule"]), bool(data.get("stereo"))
        return [read_label(data[kind], kind=kind, rule=rule, size=size, stereo=stereo) for kind in kinds]


def check_classes(classes: Sequence[str]) -> None:
    """Raise `ConfigError` unless these are the disc, or disc and cup."""
    if tuple(classes) not in CLASSES:
        raise ConfigError(
            f"classes are {list(classes)}", expected="['disc'] or ['disc', 'cup']", fix="correct the key `classes`"
        )


def fit_canvas(view_size: tuple[int, int], image_size: tuple[int, int]) -> Canvas:
    """The canvas that shows the whole view as large as ``image_size`` allows; sizes are (height, width)."""
    height, width = view_size
    frame = FieldOfView(
        centre_y=(height - 1) / 2,
        centre_x=(width - 1) / 2,
        diameter=math.hypot(height, width),
        box=(0.0, 0.0, float(height), float(width)),
    )
    return plan_canvas(frame, view_size, image_size=image_size, crop="none")


def as_label(masks: Sequence[NDArray]) -> torch.Tensor:
    """Masks of the classes [H,W], each inside the one before, as class numbers uint8 [1,H,W]; later ones win."""
    label_HW = np.zeros(masks[0].shape, dtype=np.uint8)
    for number, mask_HW in enumerate(masks, start=1):
        label_HW[np.asarray(mask_HW) > 0] = number
    return torch.from_numpy(label_HW)[None]
