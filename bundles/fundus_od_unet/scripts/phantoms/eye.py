"""Draws one eye's disc region as a stereo pair, and how two readers outline its disc and cup.

Lengths are in pixels of a published view, 1072 x 1424 (width x height). The cup is deeper than the rim, so that it is
shifted between the views. Readers differ as readers do: in size, in place, and in where a shallow cup begins.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont
from scipy.ndimage import gaussian_filter, zoom

FULL_HEIGHT, FULL_WIDTH = 1424, 1072
SHIFT = 14.0
READERS = ("expert1", "expert2")
Floats = NDArray[np.floating]
Bools = NDArray[np.bool_]


class Outline(NamedTuple):
    """An ellipse with an uneven rim: centre and half axes in full-size pixels, waves of orders 2 to 4."""

    y: float
    x: float
    half_y: float
    half_x: float
    waves_K: tuple[float, ...]
    phases_K: tuple[float, ...]

    def distance(self, rows_H1: Floats, cols_1W: Floats) -> Floats:
        """Distance from the centre, 1 on the outline, [H,W]."""
        dy, dx = (rows_H1 - self.y) / self.half_y, (cols_1W - self.x) / self.half_x
        turn = np.arctan2(dy, dx)
        waves = zip((2, 3, 4), self.waves_K, self.phases_K, strict=True)
        rim = 1 + sum(wave * np.cos(order * turn + phase) for order, wave, phase in waves)
        return np.hypot(dy, dx) / rim


class DrawnEye(NamedTuple):
    """``image_HW3``: two views side by side. ``masks``: by (reader, kind), [H,W] over both views."""

    image_HW3: NDArray[np.uint8]
    masks: dict[tuple[str, str], Bools]
    vertical_ratio: float


def draw_eye(*, glaucoma: bool, left: bool, scale: float, seed: tuple[int, ...]) -> DrawnEye:
    """Draws the eye that ``seed`` stands for.

    Args:
        glaucoma: with a large cup. left: the left eye, whose temporal side is on the right of the picture.
        scale: of the published size.
    """
    rng = np.random.default_rng(seed)
    height, width = round(FULL_HEIGHT * scale), round(FULL_WIDTH * scale)
    rows_H1 = (np.arange(height)[:, None] + 0.5) / scale
    cols_1W = (np.arange(width)[None, :] + 0.5) / scale
    half_y = float(np.clip(rng.normal(205, 18), 165, 250))
    half_x = half_y * float(rng.uniform(0.86, 0.97))
    ratio = float(rng.uniform(0.62, 0.8) if glaucoma else rng.uniform(0.3, 0.5))
    disc = _outline(rng, FULL_HEIGHT / 2 + rng.normal(0, 45), FULL_WIDTH / 2 + rng.normal(0, 35), half_y, half_x, 0.012)
    temporal = 1 if left else -1
    cup_x = disc.x + temporal * 0.08 * half_x
    cup = _outline(rng, disc.y, cup_x, ratio * half_y, ratio * half_x * 1.05, 0.02)
    outlines = {}
    for reader, growth in zip(READERS, (rng.uniform(0.95, 1.0), rng.uniform(1.0, 1.06)), strict=True):
        for kind, true, spread in (("disc", disc, 1.0), ("cup", cup, 2.0)):
            factor = 1 + (growth - 1) * spread
            outlines[reader, kind] = true._replace(
                y=true.y + rng.normal(0, 4), x=true.x + rng.normal(0, 4),
                half_y=true.half_y * factor, half_x=true.half_x * factor,
            )  # fmt: skip
    retina_HW3 = _retina(rng, rows_H1, cols_1W, disc)
    vessels_HW = _vessels(rng, disc, temporal, height, width, scale)
    views: list[NDArray[np.uint8]] = []
    masks: dict[tuple[str, str], list[Bools]] = {key: [] for key in outlines}
    for side in (-0.5, 0.5):
        moved = {key: one._replace(x=one.x + side * SHIFT * (key[1] == "cup")) for key, one in outlines.items()}
        shown = cup._replace(x=cup.x + side * SHIFT)
        image_HW3 = _paint(retina_HW3.copy(), disc.distance(rows_H1, cols_1W), shown.distance(rows_H1, cols_1W))
        image_HW3 *= 1 - vessels_HW[..., None] * np.array((0.28, 0.5, 0.4))
        image_HW3 = gaussian_filter(image_HW3, (2.5 * scale, 2.5 * scale, 0)) + rng.normal(0, 2.5, image_HW3.shape)
        views.append(np.clip(np.rint(image_HW3), 0, 255).astype(np.uint8))
        for (reader, kind), one in moved.items():
            inside_HW = one.distance(rows_H1, cols_1W) <= 1
            if kind == "cup":
                inside_HW &= moved[reader, "disc"].distance(rows_H1, cols_1W) <= 1
            masks[reader, kind].append(inside_HW)
    joined = {key: np.concatenate(both, axis=1) for key, both in masks.items()}
    return DrawnEye(_labelled(np.concatenate(views, axis=1)), joined, ratio)


def _outline(rng: np.random.Generator, y: float, x: float, half_y: float, half_x: float, wave: float) -> Outline:
    waves, phases = rng.normal(0, wave, 3), rng.uniform(0, 2 * np.pi, 3)
    return Outline(float(y), float(x), half_y, half_x, tuple(waves.tolist()), tuple(phases.tolist()))


def _retina(rng: np.random.Generator, rows_H1: Floats, cols_1W: Floats, disc: Outline) -> Floats:
    """Reddish, uneven, darker towards the edge, with a pale ring around some discs (atrophy)."""
    shape = (rows_H1.size, cols_1W.size)
    coarse = gaussian_filter(rng.normal(0, 1, (12, 9)), 1.2)
    uneven_HW = zoom(coarse / coarse.std(), (shape[0] / 12, shape[1] / 9), order=1)[: shape[0], : shape[1]]
    away_HW = np.hypot((rows_H1 - FULL_HEIGHT / 2) / FULL_HEIGHT, (cols_1W - FULL_WIDTH / 2) / FULL_WIDTH)
    light_HW = 1 - rng.uniform(0.2, 0.6) * away_HW**2 + 0.06 * uneven_HW
    ring_HW = np.exp(-(((disc.distance(rows_H1, cols_1W) - 1.12) / 0.09) ** 2))
    light_HW += ring_HW * float(rng.choice((0.0, rng.uniform(0.05, 0.2))))
    red = rng.uniform(140, 205)
    return light_HW[..., None] * np.array((red, red * rng.uniform(0.38, 0.52), red * rng.uniform(0.1, 0.3)))


def _paint(image_HW3: Floats, disc_HW: Floats, cup_HW: Floats) -> Floats:
    rim_HW = 1 / (1 + np.exp((disc_HW - 1) / 0.03))
    pale_HW = 1 / (1 + np.exp((cup_HW - 1) / 0.06))
    rim = np.minimum(image_HW3 * np.array((1.15, 1.5, 1.5)) + np.array((20, 22, 16)), 245)
    cup = np.minimum(rim * np.array((1.04, 1.22, 1.45)) + np.array((4, 10, 18)), 252)
    colour = rim + pale_HW[..., None] * (cup - rim)
    return image_HW3 + rim_HW[..., None] * (colour - image_HW3)


def _vessels(rng: np.random.Generator, disc: Outline, temporal: int, height: int, width: int, scale: float) -> Floats:
    """Four arcades and some finer vessels that leave the disc up and down, bending to the temporal side; [H,W] 0..1."""
    picture = Image.new("L", (width, height))
    pen = ImageDraw.Draw(picture)
    for number in range(14):
        up, fine = (-1, 1)[number % 2], number >= 8
        bend = temporal * rng.uniform(-0.2, 0.9) if not fine else rng.uniform(-1.3, 1.3)
        along_N = np.linspace(0, 1, 40)
        x_N = disc.x - temporal * 0.12 * disc.half_x + rng.normal(0, 14) + bend * 520 * along_N**1.7
        x_N = x_N + rng.uniform(3, 12) * np.sin(along_N * rng.uniform(9, 18))
        y_N = disc.y + up * (rng.uniform(0, 40) + 780 * along_N * (0.8 if fine else 1.0))
        thick = rng.uniform(7, 12) if fine else rng.uniform(17, 27)
        points = [(x * scale, y * scale) for x, y in zip(x_N.tolist(), y_N.tolist(), strict=True)]
        pen.line(points, fill=170 if fine else 235, width=max(1, round(thick * scale)), joint="curve")
    return np.asarray(picture, np.float64) / 255


def _labelled(image_HW3: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """With the word PHANTOM in the lower right corner of either view."""
    height, width = image_HW3.shape[:2]
    picture = Image.fromarray(image_HW3)
    font = ImageFont.load_default(max(8.0, 0.03 * width))
    for right in (width / 2, float(width)):
        place = (right - 0.01 * width, 0.985 * height)
        ImageDraw.Draw(picture).text(place, "PHANTOM", fill=(235,) * 3, font=font, anchor="rs")
    return np.asarray(picture)
