"""Draws one animal: picture, pet mask and head box."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from scripts.layout import BACKGROUND, BORDER, PET
from scripts.phantoms.look import Breed, breed_look
from scripts.phantoms.plan import CAT, Animal

Plane = NDArray[np.float64]


class Drawing(NamedTuple):
    """``image`` uint8 [H,W,3], ``trimap`` uint8 [H,W], ``head`` pixels (left, top, right, bottom)."""

    image: NDArray[np.uint8]
    trimap: NDArray[np.uint8]
    head: tuple[int, int, int, int]


class _Pose(NamedTuple):
    """Pixels: the head's centre and radius, the body's centre; -1 or 1 for the side to which the animal lies."""

    x: float
    y: float
    radius: float
    body_x: float
    body_y: float
    side: float


def draw_animal(animal: Animal, *, size: int, seed: int) -> Drawing:
    """The animal, the same for the same arguments.

    1. Background: two tones, a horizon, soft blobs. 2. Body, legs and tail behind the head. 3. Head with ears, muzzle,
    eyes and nose. 4. Light from a side, grain.
    """
    random = np.random.default_rng([seed, animal.number])
    short = round(size * random.uniform(0.55, 1.0))
    height, width = (short, size) if random.random() < 0.7 else (size, short)
    y_HW, x_HW = np.mgrid[0:height, 0:width].astype(np.float64) + 0.5
    look, pose = breed_look(animal.breed, species=animal.species), _pose(random, height, width)
    paint_HW3 = _background(random, y_HW, x_HW)
    body_HW = _body(pose, look, x_HW, y_HW)
    head_HW, ears_HW = _head(pose, look, x_HW, y_HW, cat=animal.species == CAT)
    coat_HW = _coat(random, look, pose, x_HW, y_HW)
    for part_HW, shade in ((body_HW, 0.92), (ears_HW, 0.75), (head_HW, 1.0)):
        colour_HW3 = (coat_HW[..., None] * look.second + (1 - coat_HW[..., None]) * look.colour) * shade
        paint_HW3 = np.where(part_HW[..., None], colour_HW3, paint_HW3)
    _face(paint_HW3, pose, look, x_HW, y_HW, cat=animal.species == CAT)
    light_HW = 0.8 + 0.35 * (random.uniform(-1, 1) * (x_HW / width - 0.5) + 0.5)
    grain_HW3 = random.normal(0, 0.025, paint_HW3.shape)
    smooth_HW3 = ndimage.gaussian_filter(paint_HW3 * light_HW[..., None], (0.7, 0.7, 0))
    image_HW3 = np.clip(np.rint((smooth_HW3 + grain_HW3) * 255), 0, 255).astype(np.uint8)
    pet_HW = body_HW | head_HW | ears_HW
    return Drawing(image_HW3, _trimap(pet_HW, pose), _box_of(head_HW | ears_HW))


def _pose(random: np.random.Generator, height: int, width: int) -> _Pose:
    radius = random.uniform(0.13, 0.22) * min(height, width)
    x, y = random.uniform(0.18, 0.82) * width, random.uniform(0.22, 0.68) * height
    side = 1.0 if x < random.uniform(0.35, 0.65) * width else -1.0
    return _Pose(x, y, radius, x + side * 1.5 * radius, y + random.uniform(1.1, 1.6) * radius, side)


def _background(random: np.random.Generator, y_HW: Plane, x_HW: Plane) -> NDArray[np.float64]:
    upper, lower = random.uniform(0.15, 0.95, (2, 3)) * (0.8, 0.95, 1.0)
    horizon = random.uniform(0.4, 0.8) * y_HW.shape[0]
    paint_HW3 = np.where((y_HW < horizon)[..., None], upper, lower)
    for _ in range(5):
        centre_y, centre_x = random.uniform(0, 1, 2) * y_HW.shape
        spread = random.uniform(0.05, 0.2) * max(y_HW.shape)
        blob_HW = np.exp(-((y_HW - centre_y) ** 2 + (x_HW - centre_x) ** 2) / (2 * spread**2))
        paint_HW3 = paint_HW3 + blob_HW[..., None] * random.uniform(-0.3, 0.3, 3)
    return np.clip(paint_HW3, 0.02, 1)


def _ellipse(x_HW: Plane, y_HW: Plane, x: float, y: float, a: float, b: float) -> NDArray[np.bool_]:
    return ((x_HW - x) / a) ** 2 + ((y_HW - y) / b) ** 2 <= 1


def _body(pose: _Pose, look: Breed, x_HW: Plane, y_HW: Plane) -> NDArray[np.bool_]:
    x, y, r = pose.body_x, pose.body_y, pose.radius
    body_HW = _ellipse(x_HW, y_HW, x, y, look.body * r, 0.9 * r)
    for offset in (-1.1, -0.7, 0.7, 1.1):
        body_HW |= _ellipse(x_HW, y_HW, x + offset * r, y + 0.9 * r, 0.2 * r, 0.75 * r)
    along_HW = pose.side * (x_HW - x) / r - look.body + 0.2
    bend_HW = y - 0.2 * r - 0.6 * r * along_HW**2
    return body_HW | ((np.abs(y_HW - bend_HW) < 0.13 * r) & (along_HW > 0) & (along_HW < 1.2))


def _head(
    pose: _Pose, look: Breed, x_HW: Plane, y_HW: Plane, *, cat: bool
) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    x, y, r = pose.x, pose.y, pose.radius
    head_HW = _ellipse(x_HW, y_HW, x, y, r, 0.92 * r)
    ears_HW = np.zeros_like(head_HW)
    for side in (-1, 1):
        if cat:
            tip_y, base = y - (0.8 + look.ear) * r, 0.45 * r
            share_HW = np.clip((y_HW - tip_y) / (y - 0.3 * r - tip_y), 0, 1)
            centre_HW = x + side * (0.75 - 0.2 * share_HW) * r
            ears_HW |= (np.abs(x_HW - centre_HW) < base * share_HW) & (y_HW > tip_y) & (y_HW < y)
        else:
            ears_HW |= _ellipse(x_HW, y_HW, x + side * 1.0 * r, y + 0.2 * r, 0.3 * r, look.ear * r)
            head_HW |= _ellipse(x_HW, y_HW, x, y + 0.6 * r, look.muzzle * r, 0.55 * r)
    return head_HW, ears_HW


def _coat(random: np.random.Generator, look: Breed, pose: _Pose, x_HW: Plane, y_HW: Plane) -> Plane:
    """Share of the second colour, 0..1."""
    if look.coat == "plain":
        return np.zeros_like(x_HW)
    if look.coat == "stripes":
        return (np.sin((x_HW + 0.4 * y_HW) * 9 / pose.radius) > 0.3).astype(np.float64)
    coarse = ndimage.gaussian_filter(random.normal(0, 1, x_HW.shape), 0.35 * pose.radius)
    return (coarse > 0.4 * coarse.std()).astype(np.float64)


def _face(paint_HW3: Plane, pose: _Pose, look: Breed, x_HW: Plane, y_HW: Plane, *, cat: bool) -> None:
    """Muzzle, eyes, nose, and a cat's whiskers, painted in place."""
    x, y, r = pose.x, pose.y, pose.radius
    muzzle_HW = _ellipse(x_HW, y_HW, x, y + 0.45 * r, look.muzzle * r, 0.8 * look.muzzle * r)
    paint_HW3[muzzle_HW] = 0.4 * paint_HW3[muzzle_HW] + 0.5
    for side in (-1, 1):
        paint_HW3[_ellipse(x_HW, y_HW, x + side * 0.4 * r, y - 0.12 * r, 0.19 * r, 0.16 * r)] = (0.8, 0.75, 0.3)
        paint_HW3[_ellipse(x_HW, y_HW, x + side * 0.4 * r, y - 0.12 * r, (0.06 if cat else 0.13) * r, 0.15 * r)] = 0.03
    paint_HW3[_ellipse(x_HW, y_HW, x, y + 0.3 * r, 0.13 * r, 0.1 * r)] = (
        (0.7, 0.35, 0.35) if cat else (0.05, 0.05, 0.05)
    )
    if cat:
        for slope in (-0.12, 0.08):
            line_HW = np.abs(y_HW - y - 0.45 * r - slope * np.abs(x_HW - x)) < 0.02 * r
            paint_HW3[line_HW & (np.abs(x_HW - x) > 0.2 * r) & (np.abs(x_HW - x) < 0.95 * r)] = 0.95


def _trimap(pet_HW: NDArray[np.bool_], pose: _Pose) -> NDArray[np.uint8]:
    """The border lies on both sides of the outline, as in the real trimaps."""
    wide = max(1, round(0.08 * pose.radius))
    inside_HW = ndimage.distance_transform_edt(pet_HW) > wide
    outside_HW = ndimage.distance_transform_edt(~pet_HW) > wide
    return np.where(inside_HW, PET, np.where(outside_HW, BACKGROUND, BORDER)).astype(np.uint8)


def _box_of(head_HW: NDArray[np.bool_]) -> tuple[int, int, int, int]:
    rows, columns = np.nonzero(head_HW)
    return int(columns.min()), int(rows.min()), int(columns.max()) + 1, int(rows.max()) + 1
