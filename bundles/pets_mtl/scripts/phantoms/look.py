"""What a breed looks like."""

from __future__ import annotations

import colorsys
from typing import NamedTuple

import numpy as np

from scripts.phantoms.plan import DOG

COATS = ("plain", "stripes", "patches")
Colour = tuple[float, float, float]


class Breed(NamedTuple):
    """Colours are RGB in 0..1; lengths are shares of the head's radius."""

    coat: str
    colour: Colour
    second: Colour
    ear: float
    muzzle: float
    body: float


def breed_look(breed: int, *, species: int) -> Breed:
    """The look of class ``breed``, the same in every data set."""
    random = np.random.default_rng([20120616, breed])
    hue = (0.02 + 0.618 * 0.14 * breed) % 0.14
    value = (0.35, 0.6, 0.85)[breed % 3]
    return Breed(
        coat=COATS[(breed // 2) % 3],
        colour=_rgb(hue, 0.25 + 0.5 * float(random.random()), value),
        second=_rgb(hue, 0.2, value - 0.25 if value > 0.5 else value + 0.35),
        ear=0.55 + 0.35 * float(random.random()),
        muzzle=0.55 if species == DOG else 0.32,
        body=1.5 + 0.5 * float(random.random()),
    )


def _rgb(hue: float, saturation: float, value: float) -> Colour:
    return colorsys.hsv_to_rgb(hue, saturation, value)
