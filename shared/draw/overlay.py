"""Masks drawn on a photograph: contours and translucent fill, a legend, a title."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt

from shared.draw.boxes import FOUND, paint_box
from shared.draw.look import FALSE_ALARM, HIT, MISS, PHANTOM, Photograph, colour_of, rgb, save_photograph


def shrink_photograph(photo_HW3: Photograph, size: tuple[int, int]) -> Photograph:
    """Antialiased to ``size`` (height, width)."""
    from PIL import Image

    if photo_HW3.shape[:2] == size:
        return photo_HW3
    return np.asarray(Image.fromarray(photo_HW3).resize(size[::-1], Image.Resampling.BOX))


def shrink_mask(mask_HW: npt.NDArray[np.bool_], size: tuple[int, int]) -> npt.NDArray[np.bool_]:
    """To ``size`` (height, width), for showing only: a pixel is set where any pixel under it was, so dots survive."""
    if mask_HW.shape == size:
        return mask_HW
    small = np.zeros(size, bool)
    rows, columns = np.nonzero(mask_HW)
    small[rows * size[0] // mask_HW.shape[0], columns * size[1] // mask_HW.shape[1]] = True
    if size[0] > mask_HW.shape[0] or size[1] > mask_HW.shape[1]:
        row = np.arange(size[0]) * mask_HW.shape[0] // size[0]
        small = mask_HW[row[:, None], np.arange(size[1]) * mask_HW.shape[1] // size[1]]
    return small


def fitted_size(size: tuple[int, int], longest: int) -> tuple[int, int]:
    """``size`` (height, width) scaled down so that its longer side is at most ``longest``."""
    scale = min(1.0, longest / max(size))
    return max(1, round(size[0] * scale)), max(1, round(size[1] * scale))


def paint_masks(
    photo_HW3: Photograph,
    masks: Mapping[str, npt.NDArray[np.bool_]],
    *,
    fill: float = 0.3,
    thickness: int = 1,
    names: Sequence[str] | None = None,
) -> Photograph:
    """The photograph with every mask filled (opacity ``fill``) and outlined in its colour.

    Args:
        photo_HW3: RGB.
        masks: [H, W] by task name; drawn largest first so that dots stay on top.
        thickness: pixels of outline, outside the mask, so that the lesion itself stays visible.
        names: all mask tasks, which fixes the colours of unknown names; by default the masks' own.
    """
    from scipy.ndimage import binary_dilation

    painted = photo_HW3.copy()
    order = sorted(masks, key=lambda name: -int(np.count_nonzero(masks[name])))
    for name in order:
        mask_HW = np.asarray(masks[name], bool)
        if not mask_HW.any():
            continue
        colour = rgb(colour_of(name, list(names or masks)))
        window = _window(mask_HW, margin=thickness + 1)
        inside = mask_HW[window]
        outline = binary_dilation(inside, np.ones((3, 3)), iterations=thickness) & ~inside
        region = painted[window]
        region[inside] = ((1 - fill) * region[inside] + fill * colour).round()
        region[outline] = colour
    return painted


def paint_errors(
    photo_HW3: Photograph, predicted_HW: npt.NDArray[np.bool_], truth_HW: npt.NDArray[np.bool_], *, dim: float = 0.45
) -> Photograph:
    """Hit, miss and false alarm in their colours over a grey, dimmed photograph."""
    grey = photo_HW3.astype(np.float32).mean(-1, keepdims=True) * dim
    painted = np.repeat(grey, 3, axis=-1).round().astype(np.uint8)
    for mask_HW, colour in (
        (predicted_HW & truth_HW, HIT),
        (truth_HW & ~predicted_HW, MISS),
        (predicted_HW & ~truth_HW, FALSE_ALARM),
    ):
        painted[mask_HW] = rgb(colour)
    return painted


def draw_overlay(
    photo_HW3: Photograph,
    masks: Mapping[str, npt.NDArray[np.bool_]],
    path: str | Path,
    *,
    title: str,
    labels: Mapping[str, str] | None = None,
    longest: int = 1600,
    phantom: bool = False,
    box_4: npt.ArrayLike | None = None,
) -> Path:
    """Write photograph with masks, a title above and a legend below (no matplotlib: works on a server as is).

    Args:
        photo_HW3: RGB of any size; masks of the same size by task name.
        path: PNG or JPEG.
        title: one or more lines, such as the file's name and its grades.
        labels: legend text by task name, such as "MA 12 lesions"; by default the name.
        longest: longer side of the picture in pixels.
        box_4: left, top, right and bottom of a box in pixels of the photograph, drawn over the masks.
    """
    size = fitted_size((photo_HW3.shape[0], photo_HW3.shape[1]), longest)
    small = shrink_photograph(photo_HW3, size)
    thickness = max(1, round(max(size) / 1000))
    painted = paint_masks(small, {name: shrink_mask(mask, size) for name, mask in masks.items()}, thickness=thickness)
    if box_4 is not None:
        scale = np.array([size[1] / photo_HW3.shape[1], size[0] / photo_HW3.shape[0]] * 2)
        painted = paint_box(painted, np.asarray(box_4, np.float64) * scale, colour=FOUND)
    lines = [*([PHANTOM] if phantom else []), *title.splitlines()]
    legend = [(colour_of(name, list(masks)), (labels or {}).get(name, name)) for name in masks]
    return save_photograph(_framed(painted, lines, legend), path)


def _framed(photo_HW3: Photograph, lines: Sequence[str], legend: Sequence[tuple[str, str]]) -> Photograph:
    from PIL import Image, ImageDraw, ImageFont

    width = max(photo_HW3.shape[1], 480)
    text_size = max(13, width // 60)
    font = ImageFont.load_default(text_size)
    gap = text_size // 2
    line = text_size + gap
    wrapped = [
        part for text in lines for part in wrap_words(text, lambda part: font.getlength(part) <= width - 2 * gap)
    ]
    rows: list[list[tuple[str, str]]] = [[]]
    used = float(gap)
    for item in legend:
        need = font.getlength(item[1]) + 3.5 * text_size
        if used + need > width and rows[-1]:
            rows.append([])
            used = gap
        rows[-1].append(item)
        used += need
    top = gap + line * len(wrapped)
    bottom = gap + line * len([row for row in rows if row])
    canvas = Image.new("RGB", (width, top + photo_HW3.shape[0] + bottom), "#101010")
    canvas.paste(Image.fromarray(photo_HW3), ((width - photo_HW3.shape[1]) // 2, top))
    draw = ImageDraw.Draw(canvas)
    for row, text in enumerate(wrapped):
        draw.text((gap, gap // 2 + row * line), text, fill="white", font=font)
    for row, items in enumerate(rows):
        x, y = float(gap), top + photo_HW3.shape[0] + gap // 2 + row * line
        for colour, text in items:
            draw.rectangle((x, y + 1, x + text_size, y + text_size), fill=colour)
            draw.text((x + 1.5 * text_size, y), text, fill="white", font=font)
            x += font.getlength(text) + 3.5 * text_size
    return np.asarray(canvas)


def wrap_words(text: str, fits: Callable[[str], bool]) -> list[str]:
    """Lines of ``text`` that fit, broken at blanks; a word that is too long stays whole."""
    lines = [""]
    for word in text.split(" "):
        longer = f"{lines[-1]} {word}".strip() if lines[-1] else word
        if lines[-1] and not fits(longer):
            lines.append(word)
        else:
            lines[-1] = longer
    return lines


def _window(mask_HW: npt.NDArray[np.bool_], *, margin: int) -> tuple[slice, slice]:
    rows, columns = np.flatnonzero(mask_HW.any(1)), np.flatnonzero(mask_HW.any(0))
    return (
        slice(max(0, int(rows[0]) - margin), int(rows[-1]) + margin + 1),
        slice(max(0, int(columns[0]) - margin), int(columns[-1]) + margin + 1),
    )
