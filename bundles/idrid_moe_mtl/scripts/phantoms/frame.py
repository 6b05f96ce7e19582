"""Where things lie in a drawn fundus photograph: lengths of an IDRiD photograph, scaled to the size asked for.

Everything is designed in the pixels of an original 4288x2848 photograph ("full-size pixels"); measured on the IDRiD
training photographs: field of view 3410 px across with its centre left of the frame's, disc 470-610 px, disc to fovea
1312 +- 84 px with the disc 146 +- 99 px higher.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image

FULL_HEIGHT, FULL_WIDTH = 2848, 4288
Floats = NDArray[np.floating]
Bools = NDArray[np.bool_]


class Frame(NamedTuple):
    """Size of the photograph in pixels; converts full-size pixels (y, x) to its pixels."""

    height: int
    width: int

    @property
    def scale(self) -> float:
        """Pixels of this photograph per full-size pixel."""
        return min(self.height / FULL_HEIGHT, self.width / FULL_WIDTH)

    def pixels(self, full_N2: Floats) -> Floats:
        """Pixel positions (y, x) [N,2] of full-size positions; whole numbers are pixel centres."""
        half_2 = np.array([self.height, self.width]) / 2
        return (full_N2 - np.array([FULL_HEIGHT, FULL_WIDTH]) / 2) * self.scale + half_2 - 0.5

    def pixel(self, full_y: float, full_x: float) -> tuple[float, float]:
        """Pixel position (y, x) of one full-size position."""
        y, x = self.pixels(np.array([[full_y, full_x]]))[0]
        return float(y), float(x)

    def coarsened(self, longest: int) -> Frame:
        """The same view with at most ``longest`` pixels along its longer side, for what is smooth."""
        factor = min(1.0, longest / max(self.height, self.width))
        return Frame(max(1, round(self.height * factor)), max(1, round(self.width * factor)))

    def grids(self) -> tuple[Floats, Floats]:
        """Full-size coordinates of the pixel centres: rows [H,1] and columns [1,W]."""
        rows_H1 = (np.arange(self.height)[:, None] + 0.5 - self.height / 2) / self.scale + FULL_HEIGHT / 2
        cols_1W = (np.arange(self.width)[None, :] + 0.5 - self.width / 2) / self.scale + FULL_WIDTH / 2
        return rows_H1.astype(np.float32), cols_1W.astype(np.float32)


class Anatomy(NamedTuple):
    """The landmarks of one eye, in full-size pixels; ``temporal`` is +1 where the macula is right of the disc."""

    view_y: float
    view_x: float
    view_radius: float
    disc_y: float
    disc_x: float
    disc_height: float
    disc_width: float
    fovea_y: float
    fovea_x: float
    temporal: int

    @property
    def disc_diameter(self) -> float:
        """Diameter of the circle with the disc's area."""
        return float(np.sqrt(self.disc_height * self.disc_width))


def draw_anatomy(rng: np.random.Generator) -> Anatomy:
    """Places field of view, disc and fovea of one eye as they lie in IDRiD; left and right eyes are equally likely."""
    temporal = int(rng.choice((-1, 1)))
    view_y, view_x = 1424 + rng.normal(0, 4), 1988 + rng.normal(0, 7)
    fovea_y = 1515 + np.clip(rng.normal(0, 130), -300, 300)
    fovea_x = 1965 + temporal * np.clip(275 + rng.normal(0, 150), -50, 600)
    distance = 1312 + np.clip(rng.normal(0, 70), -160, 160)
    rise = np.clip(rng.normal(146, 80), -60, 340)
    height = float(np.clip(rng.normal(545, 30), 480, 620))
    return Anatomy(
        view_y=view_y,
        view_x=view_x,
        view_radius=1705 + rng.normal(0, 4),
        disc_y=fovea_y - rise,
        disc_x=fovea_x - temporal * float(np.sqrt(distance**2 - rise**2)),
        disc_height=height,
        disc_width=height * rng.uniform(0.86, 0.97),
        fovea_y=fovea_y,
        fovea_x=fovea_x,
        temporal=temporal,
    )


def stretched(field_HW: Floats, frame: Frame) -> NDArray[np.float32]:
    """The field [h,w] resampled to the frame's [H,W] (bicubic)."""
    image = Image.fromarray(np.ascontiguousarray(field_HW, np.float32))
    return np.asarray(image.resize((frame.width, frame.height), Image.Resampling.BICUBIC))


def view_mask(eye: Anatomy, frame: Frame) -> Bools:
    """The field of view [H,W]: a disc cut off by the frame above and below, with the camera's two teeth upper right."""
    rows_H1, cols_1W = frame.grids()
    dy, dx = rows_H1 - eye.view_y, cols_1W - eye.view_x
    angle_HW = np.degrees(np.arctan2(-dy, dx))
    tooth = np.zeros_like(angle_HW)
    for start in (32.2, 35.0):
        inside = (angle_HW > start) & (angle_HW < start + 2.8)
        tooth[inside] = 65 * (angle_HW[inside] - start) / 2.8
    return np.hypot(dy, dx) < eye.view_radius + tooth
