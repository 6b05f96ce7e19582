"""The retina of a drawn eye without vessels and lesions: pigment, light, macula, choroid and optic disc."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter, map_coordinates

from scripts.phantoms.frame import Anatomy, Bools, Floats, Frame, stretched


def draw_background(rng: np.random.Generator, eye: Anatomy, frame: Frame) -> NDArray[np.float32]:
    """Retina without disc, vessels or lesions: pigment, vignetting, macula, choroid, mottling; [H,W,3], about 0-255."""
    coarse = frame.coarsened(536)
    rows_H1, cols_1W = coarse.grids()
    per_pixel = coarse.scale

    def noise(full_sigma: float) -> Floats:  # for what is wider than a cell of 64 full-size pixels
        grid = rng.normal(0, 1, (45, 67))
        smooth = gaussian_filter(grid, full_sigma / 64, mode="reflect")
        return stretched(smooth / smooth.std(), coarse)

    from_view = np.hypot(rows_H1 - eye.view_y, cols_1W - eye.view_x) / eye.view_radius
    from_disc = np.hypot(rows_H1 - eye.disc_y, cols_1W - eye.disc_x) / eye.disc_diameter
    from_fovea = np.hypot(rows_H1 - eye.fovea_y, cols_1W - eye.fovea_x) / eye.disc_diameter
    light = 1 - rng.uniform(0.10, 0.32) * from_view**2
    light = light * (1 + rng.uniform(0.12, 0.38) * np.exp(-((from_disc / 1.5) ** 2)))
    light = light * (1 + 0.06 * noise(420) + 0.025 * noise(110))
    tessellation = rng.uniform(0.08, 0.17) if rng.uniform() < 0.35 else rng.uniform(0.0, 0.05)
    bands = _choroid(rng, eye, coarse, bending=noise(160))
    light = light * (1 + tessellation * bands * np.clip(from_fovea / 1.8 - 0.5, 0, 1))
    macula = rng.uniform(0.12, 0.30) * np.exp(-((from_fovea / 0.75) ** 2)) + rng.uniform(0.08, 0.2) * np.exp(
        -((from_fovea / 0.3) ** 2)
    )
    light = np.clip(light - macula, 0.15, 2.0)
    red = rng.uniform(145, 208)
    green = red * rng.uniform(0.40, 0.55)
    blue = red * float(np.clip(0.085 * np.exp(rng.normal(0, 0.8)), 0.015, 0.40))
    tint = 0.05 * noise(500)
    channels = [red * light**0.75, green * light**1.15 * (1 + tint), blue * light**1.3 * (1 + 2 * tint)]
    background = np.stack([stretched(channel, frame) for channel in channels], axis=-1)
    mottle = gaussian_filter(rng.normal(0, 1, (356, 536)), 0.9)
    background *= 1 + 0.018 * stretched(mottle / mottle.std(), frame)[..., None] * min(1.0, 4 * per_pixel)
    return background


def _choroid(rng: np.random.Generator, eye: Anatomy, frame: Frame, *, bending: Floats) -> Floats:
    """Choroidal vessels as they shine through: bright branching bands that run away from the macula, mean about 0."""
    rows_H1, cols_1W = frame.grids()
    dy = rows_H1 - (eye.fovea_y + eye.disc_y) / 2
    dx = cols_1W - (eye.fovea_x + eye.disc_x) / 2
    turn = np.arctan2(dy, dx) + 0.05 * bending
    reach = np.log(np.hypot(dy, dx) / 300 + 0.6) + 0.06 * np.roll(bending, 31, axis=1)
    bands = np.zeros_like(turn)
    for across in (4.5, 3.0):
        grid = gaussian_filter(rng.normal(0, 1, (720, 128)), (across, 4.5), mode=("wrap", "reflect"))
        places = np.stack([(turn / (2 * np.pi) + 0.5) * 720, np.clip((reach + 0.6) * 45, 0, 127)])
        ridges = map_coordinates(grid / grid.std(), places, order=1, mode="grid-wrap")
        bands = np.maximum(bands, np.exp(-((ridges / 0.5) ** 2)))
    return bands - bands.mean()


def draw_disc(rng: np.random.Generator, eye: Anatomy, frame: Frame) -> tuple[Bools, Floats, Floats]:
    """The disc's mask, its opacity with a soft edge, and how much of its cup covers each pixel, each [H,W]."""
    rows_H1, cols_1W = frame.grids()
    dy, dx = rows_H1 - eye.disc_y, cols_1W - eye.disc_x
    turn = np.arctan2(dy, dx)
    rim = 1 + sum(rng.normal(0, 0.012) * np.cos(k * turn + rng.uniform(0, 6.28)) for k in (2, 3, 4))
    distance = distance_from_disc(eye, frame) / rim
    soft = max(44.0, 1.5 / frame.scale) * 2 / eye.disc_height
    opacity = np.clip(0.5 + (1 - distance) / soft, 0, 1)
    cup_size = rng.uniform(0.3, 0.6)
    cup_distance = np.hypot(dy, dx - eye.temporal * 0.08 * eye.disc_width) / (eye.disc_height / 2)
    cup = 1 / (1 + np.exp((cup_distance - cup_size) / 0.07))
    return distance <= 1, opacity, cup


def distance_from_disc(eye: Anatomy, frame: Frame) -> Floats:
    """Distance of every pixel from the disc's centre in units of the disc's radius in that direction, [H,W]."""
    rows_H1, cols_1W = frame.grids()
    return np.hypot((rows_H1 - eye.disc_y) * 2 / eye.disc_height, (cols_1W - eye.disc_x) * 2 / eye.disc_width)


def paint_disc(image_HW3: NDArray[np.float32], opacity_HW: Floats, cup_HW: Floats, rng: np.random.Generator) -> None:
    """Paints the disc, whose colour goes with the retina around it, into the image."""
    around = image_HW3[opacity_HW > 0.5].mean(0) if (opacity_HW > 0.5).any() else np.array((180.0, 90.0, 20.0))
    red = float(np.clip(around[0] * 1.18 + 30, 200, 250))
    green = red * float(np.clip(around[1] / around[0] * rng.uniform(1.25, 1.45), 0.5, 0.82))
    rim = np.array((red, green, around[2] * 1.5 + 25))
    cup = np.array((min(255.0, red * 1.05 + 6), green * rng.uniform(1.12, 1.25), rim[2] * rng.uniform(1.2, 1.7)))
    colour_HW3 = rim * (1 - cup_HW[..., None]) + cup * cup_HW[..., None]
    image_HW3 += (opacity_HW[..., None] * 0.96 * (colour_HW3 - image_HW3)).astype(np.float32)
