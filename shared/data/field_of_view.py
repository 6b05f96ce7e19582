"""The field of view of a fundus photograph: the bright disc on black, and its circle.

Luminance above 10, largest component, holes filled. (Otsu's threshold, often used here, cuts off dark retina.)
Most photographs are cut off above and below, so the circle is fitted to the rim that is really in the picture.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from scipy import ndimage

from shared.errors import DataError

LUMINANCE = 10
MIN_PIXELS = 100
WORK_WIDTH = 536


class FieldOfView(NamedTuple):
    """Circle and visible box of the field, in pixels of the full photograph.

    ``centre_y``, ``centre_x`` count pixel centres (the first is 0). ``box`` is (top, left, bottom, right) by pixel
    edges (the whole photograph is ``0, 0, height, width``); it is smaller than the circle where that is cut off.
    """

    centre_y: float
    centre_x: float
    diameter: float
    box: tuple[float, float, float, float]


class _Circle(NamedTuple):
    centre_y: float
    centre_x: float
    radius: float
    agreement: float = 1.0


def find_field_of_view(
    photo_HW3: NDArray[np.uint8], *, photo_size: tuple[int, int] | None = None, name: str = "the picture"
) -> FieldOfView:
    """Find the field of view, or refuse a picture that is no fundus photograph.

    A photograph whose retina fills the frame without a rim has the frame's diagonal for its diameter: the least
    circle that holds it.

    Args:
        photo_HW3: RGB, 0..255; a reduced decode (536 pixels wide are enough) is as good as the full one.
        photo_size: (height, width) of the full photograph, in whose pixels the answer is given; default: the array's.
        name: what messages call the picture.

    Raises:
        DataError: with the reason, if the picture is too small, too dark, has no field of view or one that is not
            round, or has not the colours of a retina.
    """
    height, width = photo_size or photo_HW3.shape[:2]
    if min(height, width) < MIN_PIXELS:
        raise _refusal(name, f"it is too small ({width}x{height})")
    reduction = max(1, round(photo_HW3.shape[1] / WORK_WIDTH))
    small = Image.fromarray(photo_HW3).reduce(reduction)
    small_HW3 = np.asarray(small)
    mask_HW = _largest_component(np.asarray(small.convert("L")) > LUMINANCE)
    if mask_HW.mean() < 0.05:
        raise _refusal(name, f"it is too dark or has no field of view ({mask_HW.mean():.1%} of it is bright)")
    up_y, up_x = height / mask_HW.shape[0], width / mask_HW.shape[1]
    filled = bool(mask_HW.mean() >= 0.95)
    top, left, bottom, right = _box(mask_HW)
    # A photograph cut off above and below may have been padded since: the cut is then a rim, but no part of a circle.
    mask_HW, small_HW3 = mask_HW[top:bottom, left:right], small_HW3[top:bottom, left:right]
    circle = _fit_circle(mask_HW)
    if circle is None:
        _check_frame(filled, small_HW3[mask_HW], name)
        circle = _Circle((bottom - top - 1) / 2, (right - left - 1) / 2, float(np.hypot(*mask_HW.shape)) / 2)
    else:
        _check_disc(mask_HW, small_HW3, circle, name)
    field = FieldOfView(
        centre_y=(circle.centre_y + top + 0.5) * up_y - 0.5,
        centre_x=(circle.centre_x + left + 0.5) * up_x - 0.5,
        diameter=2 * circle.radius * (up_y + up_x) / 2,
        box=(top * up_y, left * up_x, bottom * up_y, right * up_x),
    )
    if field.diameter < MIN_PIXELS:
        raise _refusal(name, f"its field of view is too small ({field.diameter:.0f} pixels)")
    return field


def _largest_component(bright_HW: NDArray[np.bool_]) -> NDArray[np.bool_]:
    opened_HW = ndimage.binary_opening(bright_HW, iterations=2)
    labels_HW, count = ndimage.label(opened_HW)
    if count == 0:
        return np.zeros_like(bright_HW)
    sizes = np.bincount(labels_HW.ravel())
    sizes[0] = 0
    return ndimage.binary_fill_holes(labels_HW == sizes.argmax())


def _box(mask_HW: NDArray[np.bool_]) -> tuple[int, int, int, int]:
    rows, columns = np.flatnonzero(mask_HW.any(axis=1)), np.flatnonzero(mask_HW.any(axis=0))
    return int(rows[0]), int(columns[0]), int(rows[-1]) + 1, int(columns[-1]) + 1


def _rim(mask_HW: NDArray[np.bool_]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Where the mask ends in every row and column (half a pixel outside its last pixel), the frame's edge left out."""
    ys: list[NDArray[np.float64]] = []
    xs: list[NDArray[np.float64]] = []
    for flat, along, across in ((mask_HW, ys, xs), (mask_HW.T, xs, ys)):
        lines = np.flatnonzero(flat.any(axis=1))
        first = flat[lines].argmax(axis=1).astype(np.float64)
        last = flat.shape[1] - 1.0 - flat[lines, ::-1].argmax(axis=1)
        for ends, outwards in ((first, -0.5), (last, 0.5)):
            inside = (ends > 1) & (ends < flat.shape[1] - 2)
            along.append(lines[inside].astype(np.float64))
            across.append(ends[inside] + outwards)
    return np.concatenate(ys), np.concatenate(xs)


def _fit_circle(mask_HW: NDArray[np.bool_]) -> _Circle | None:
    """Least-squares circle (Kasa 1976) through the rim, refitted without outliers; None if there is hardly a rim."""
    ys, xs = _rim(mask_HW)
    needed = 0.4 * min(mask_HW.shape)
    all_ys, all_xs = ys, xs
    for _ in range(8):
        if len(ys) < needed:
            return None
        system = np.stack([ys, xs, np.ones_like(ys)], axis=1)
        solution = np.linalg.lstsq(system, ys**2 + xs**2, rcond=None)[0]
        centre_y, centre_x = solution[0] / 2, solution[1] / 2
        radius = float(np.sqrt(max(0.0, solution[2] + centre_y**2 + centre_x**2)))
        residuals = np.abs(np.hypot(ys - centre_y, xs - centre_x) - radius)
        keep = residuals <= max(0.75, 3 * 1.4826 * float(np.median(residuals)))
        if keep.all():
            break
        ys, xs = ys[keep], xs[keep]
    off_N = np.abs(np.hypot(all_ys - centre_y, all_xs - centre_x) - radius)
    return _Circle(float(centre_y), float(centre_x), radius, float((off_N < 0.01 * 2 * radius).mean()))


def _check_disc(mask_HW: NDArray[np.bool_], photo_HW3: NDArray[np.uint8], circle: _Circle, name: str) -> None:
    """Limits far outside what IDRiD's 451 training photographs measure (in brackets)."""
    y, x = np.ogrid[: mask_HW.shape[0], : mask_HW.shape[1]]
    disc_HW = (y - circle.centre_y) ** 2 + (x - circle.centre_x) ** 2 <= circle.radius**2
    overlap = (mask_HW & disc_HW).sum() / (mask_HW | disc_HW).sum()
    if overlap < 0.85:  # [0.985 .. 0.999]
        raise _refusal(name, f"its bright part is not round (overlap with the best circle {overlap:.2f}, least 0.85)")
    if circle.agreement < 0.6:  # [0.84 .. 0.98]
        raise _refusal(name, f"only {circle.agreement:.0%} of its outline lie on a circle")
    seen = mask_HW.sum() / (np.pi * circle.radius**2)
    if seen < 0.65:  # [0.90 .. 0.95]
        raise _refusal(name, f"only {seen:.0%} of its round field can be seen")
    surround = (~mask_HW & ~disc_HW).sum() / max(1, (~mask_HW | ~disc_HW).sum())
    if surround < 0.6:
        raise _refusal(
            name, f"it has no dark surround (overlap with that of the best circle {surround:.2f}, least 0.6)"
        )
    colours = _measure_colours(photo_HW3[mask_HW], name)
    if colours.grey:
        return
    if colours.red < 1.1 * colours.green or colours.red < 1.25 * colours.blue:  # [1.54, 1.99]
        raise _refusal(name, f"its colours are not a retina's ({colours})")


def _check_frame(filled: bool, pixels_N3: NDArray[np.uint8], name: str) -> None:
    """Without a rim only colour can tell, so its limits are what IDRiD's photographs measure (in brackets)."""
    if not filled:
        raise _refusal(name, "its bright part is neither a disc nor fills the frame")
    colours = _measure_colours(pixels_N3, name)
    like_retina = (
        colours.red > 1.4 * colours.green  # [1.54 .. 3.9]
        and colours.red > 1.8 * colours.blue  # [1.99 ..]
        and colours.reddish > 0.97  # [0.89, 99 of 100: 0.96]
        and colours.ordered > 0.94  # [0.88, 99 of 100: 0.95]
        and colours.deviation < 42  # [7 .. 41]
    )
    if not like_retina:
        raise _refusal(name, f"it has no dark surround, and its colours are not a retina's ({colours})")


class _Colours(NamedTuple):
    red: float
    green: float
    blue: float
    reddish: float
    ordered: float
    deviation: float
    grey: bool

    def __str__(self) -> str:
        return f"mean red {self.red:.0f}, green {self.green:.0f}, blue {self.blue:.0f}"


def _measure_colours(pixels_N3: NDArray[np.uint8], name: str) -> _Colours:
    """Means; shares of pixels with red well above green, and with red >= green >= blue; deviation of brightness."""
    pixels = pixels_N3.astype(np.float32)
    red_N, green_N, blue_N = pixels.T
    brightness_N = pixels.mean(axis=1)
    if brightness_N.std() < 2:
        raise _refusal(name, "its bright part is one uniform colour")
    return _Colours(
        red=float(red_N.mean()),
        green=float(green_N.mean()),
        blue=float(blue_N.mean()),
        reddish=float((red_N >= 1.15 * green_N).mean()),
        ordered=float(((red_N >= green_N) & (green_N >= blue_N)).mean()),
        deviation=float(brightness_N.std()),
        grey=bool(np.abs(pixels - brightness_N[:, None]).mean() < 1),
    )


def _refusal(name: str, reason: str) -> DataError:
    return DataError(
        f"{name} is no fundus photograph: {reason}",
        expected="a colour photograph of the back of the eye: a bright, reddish, round field of view of at least "
        f"{MIN_PIXELS} pixels",
        fix="take the file out of the list or folder, or give the original photograph instead of a crop or drawing",
    )
