"""Where a network's canvas lies in its photograph, and the way there and back.

A canvas is the picture the network sees: the photograph scaled, then cropped or padded with black, never turned.
Positions count pixel centres, so ``canvas_y = (photo_y + .5) * scale + offset_y - .5``, and x alike.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from shared.data.field_of_view import FieldOfView
from shared.errors import ConfigError

CROPS = ("field_of_view", "none")


class Geometry(NamedTuple):
    """Canvas and field of view in pixels of the full photograph; ``scale`` is canvas pixels per photograph pixel."""

    photo_height: int
    photo_width: int
    centre_y: float
    centre_x: float
    diameter: float
    scale: float
    offset_y: float
    offset_x: float

    def to_tensor(self) -> Tensor:
        """float64 ``[8]``, in the order of the fields."""
        return torch.tensor(self, dtype=torch.float64)

    @classmethod
    def from_tensor(cls, geometry: Tensor) -> Geometry:
        """From ``[8]`` of `to_tensor`."""
        height, width, *rest = (float(value) for value in geometry.flatten())
        return cls(round(height), round(width), *rest)

    @property
    def photo_size(self) -> tuple[int, int]:
        return self.photo_height, self.photo_width


class Canvas(NamedTuple):
    """A planned canvas: ``size`` is (height, width)."""

    geometry: Geometry
    size: tuple[int, int]


def plan_canvas(
    field: FieldOfView,
    photo_size: tuple[int, int],
    *,
    image_size: tuple[int, int] | None = None,
    fov_diameter: float | None = None,
    crop: str = "field_of_view",
    divisor: int = 32,
    grow: bool = False,
) -> Canvas:
    """Decide scale, place and size of the canvas.

    Offsets are whole canvas pixels: at the photograph's own scale nothing is lost, and masks are not cut at ties.

    Args:
        field: the photograph's field of view.
        photo_size: (height, width) of the photograph.
        image_size: (height, width) of the canvas; None: as large as needed, rounded up to ``divisor``.
        fov_diameter: canvas pixels that the field's diameter shall have, so that a vessel is as wide on every camera.
            None: what fits into ``image_size``; without that, the photograph's own scale.
        grow: where the field is larger than ``image_size``, enlarge the canvas rather than cut the field.
        crop: ``"field_of_view"`` centres the visible field (without ``fov_diameter`` it is fitted into ``image_size``);
            ``"none"`` centres the whole photograph (published: 4288x2848 into 1072x712).
    """
    if crop not in CROPS:
        raise ConfigError(f"crop is {crop!r}", expected=f"one of {', '.join(CROPS)}", fix="correct the key `crop`")
    height, width = photo_size
    top, left, bottom, right = field.box if crop == "field_of_view" else (0.0, 0.0, float(height), float(width))
    if fov_diameter is not None:
        scale = fov_diameter / field.diameter
    elif image_size is not None:
        scale = min(image_size[0] / (bottom - top), image_size[1] / (right - left))
    else:
        scale = 1.0
    extents = ((bottom - top) * scale, (right - left) * scale)
    whole = tuple(max(1, math.ceil(round(extent, 3) / divisor)) * divisor for extent in extents)
    if image_size is None:
        size = whole
    elif grow:
        size = tuple(
            given if extent <= given else needed
            for given, extent, needed in zip(image_size, extents, whole, strict=True)
        )
    else:
        size = tuple(image_size)
    geometry = Geometry(
        photo_height=height,
        photo_width=width,
        centre_y=field.centre_y,
        centre_x=field.centre_x,
        diameter=field.diameter,
        scale=scale,
        offset_y=float(round(size[0] / 2 - (top + bottom) / 2 * scale)),
        offset_x=float(round(size[1] / 2 - (left + right) / 2 * scale)),
    )
    return Canvas(geometry, (size[0], size[1]))


def to_canvas(array: NDArray, geometry: Geometry, size: tuple[int, int], *, mode: str) -> NDArray:
    """Draw a photograph or mask onto the canvas.

    Masks are averaged over each canvas pixel's area and kept where at least half of it is lesion: unlike nearest
    neighbour, which reads one photograph pixel in sixteen at quarter scale, this neither drops a small lesion that
    fills the pixel nor keeps a stray pixel, and unlike interpolation it invents nothing.

    Args:
        array: uint8 ``[h, w, 3]`` or bool ``[h, w]``; a reduced decode of the photograph is welcome.
        size: (height, width) of the canvas.
        mode: ``"photograph"`` (antialiased) or ``"mask"``.

    Returns:
        uint8 ``[H, W, 3]``, or for masks uint8 ``[H, W]`` of 0 and 1; zeros where the photograph does not reach.
    """
    is_mask = mode == "mask"
    source = array.astype(np.uint8) * np.uint8(255) if is_mask else array
    rows = _overlap(geometry.photo_height, source.shape[0], size[0], geometry.scale, geometry.offset_y)
    columns = _overlap(geometry.photo_width, source.shape[1], size[1], geometry.scale, geometry.offset_x)
    canvas = np.zeros(size + source.shape[2:], dtype=np.uint8)
    if rows.stop <= rows.start or columns.stop <= columns.start:
        return canvas
    pads = (rows.pad(source.shape[0]), columns.pad(source.shape[1]))
    if any(pads[0] + pads[1]):
        source = np.pad(source, pads + ((0, 0),) * (source.ndim - 2), mode="edge")
    piece = Image.fromarray(np.ascontiguousarray(source)).resize(
        (columns.stop - columns.start, rows.stop - rows.start),
        Image.Resampling.BOX if is_mask else Image.Resampling.BILINEAR,
        box=(columns.low + pads[1][0], rows.low + pads[0][0], columns.high + pads[1][0], rows.high + pads[0][0]),
    )
    canvas[rows.start : rows.stop, columns.start : columns.stop] = np.asarray(piece)
    return (canvas >= 128).astype(np.uint8) if is_mask else canvas


def from_canvas(maps_CHW: Tensor, geometry: Geometry, *, inside_field: bool = True) -> Tensor:
    """Bring maps on the canvas back to the photograph's own size, bilinearly.

    Args:
        maps_CHW: float maps on the canvas (any number of channels).
        inside_field: zero outside the field of view's circle as well.

    Returns:
        ``[C, photo_height, photo_width]``, zeros where the canvas does not reach.
    """
    maps_CHW = maps_CHW.float()
    rows = _taps(geometry.photo_height, maps_CHW.shape[1], geometry.scale, geometry.offset_y, maps_CHW.device)
    columns = _taps(geometry.photo_width, maps_CHW.shape[2], geometry.scale, geometry.offset_x, maps_CHW.device)
    visible_HW = rows.inside[:, None] & columns.inside[None, :]
    if inside_field:
        visible_HW &= torch.from_numpy(disc_mask(geometry)).to(maps_CHW.device)
    photo_CHW = torch.empty((len(maps_CHW), *geometry.photo_size), device=maps_CHW.device)
    for map_HW, out_HW in zip(maps_CHW, photo_CHW, strict=True):
        stretched_HW = torch.lerp(map_HW[rows.low], map_HW[rows.high], rows.weight[:, None])
        torch.lerp(stretched_HW[:, columns.low], stretched_HW[:, columns.high], columns.weight[None, :], out=out_HW)
        out_HW *= visible_HW
    return photo_CHW


def disc_mask(geometry: Geometry, size: tuple[int, int] | None = None) -> NDArray[np.bool_]:
    """The field of view's circle: at the photograph's size, or on a canvas of ``size`` where it shows photograph.

    Returns:
        bool ``[H, W]``.
    """
    if size is None:
        y, x = np.ogrid[: geometry.photo_height, : geometry.photo_width]
        photo_y, photo_x = y.astype(np.float64), x.astype(np.float64)
        inside_HW = np.ones((1, 1), dtype=bool)
    else:
        y, x = np.ogrid[: size[0], : size[1]]
        photo_y = (y + 0.5 - geometry.offset_y) / geometry.scale - 0.5
        photo_x = (x + 0.5 - geometry.offset_x) / geometry.scale - 0.5
        inside_y = (photo_y >= -0.5) & (photo_y <= geometry.photo_height - 0.5)
        inside_HW = inside_y & (photo_x >= -0.5) & (photo_x <= geometry.photo_width - 0.5)
    distance_HW = (photo_y - geometry.centre_y) ** 2 + (photo_x - geometry.centre_x) ** 2
    return inside_HW & (distance_HW <= (geometry.diameter / 2) ** 2)


class _Overlap(NamedTuple):
    """Canvas pixels ``start:stop`` along one axis that see the photograph, and their source interval ``low..high``."""

    start: int
    stop: int
    low: float
    high: float

    def pad(self, length: int) -> tuple[int, int]:
        return max(0, math.ceil(-self.low)), max(0, math.ceil(self.high - length))


def _overlap(photo_length: int, source_length: int, canvas_length: int, scale: float, offset: float) -> _Overlap:
    start = max(0, math.floor(offset + 1e-6))
    stop = min(canvas_length, math.ceil(offset + photo_length * scale - 1e-6))
    to_source = source_length / photo_length / scale
    low, high = (start - offset) * to_source, (stop - offset) * to_source
    tidy = 1e-6 * source_length
    low = 0.0 if abs(low) < tidy else low
    high = float(source_length) if abs(high - source_length) < tidy else high
    return _Overlap(start, stop, low, high)


class _Taps(NamedTuple):
    low: Tensor
    high: Tensor
    weight: Tensor
    inside: Tensor


def _taps(photo_length: int, canvas_length: int, scale: float, offset: float, device: torch.device) -> _Taps:
    photo = torch.arange(photo_length, dtype=torch.float64, device=device)
    position = (photo + 0.5) * scale + offset - 0.5
    inside = (position >= -0.5) & (position <= canvas_length - 0.5)
    position = position.clamp(0, canvas_length - 1)
    low = position.floor().long()
    return _Taps(low, (low + 1).clamp(max=canvas_length - 1), (position - low).float(), inside)
