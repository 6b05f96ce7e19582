"""Draws one eye as a fundus photograph with its masks, by layers: background, disc, vessels, lesions, camera."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont
from scipy.ndimage import gaussian_filter, map_coordinates

from scripts.phantom_frame import Anatomy, Bools, Floats, Frame, draw_anatomy, stretched, view_mask
from scripts.phantom_lesions import LESIONS, Findings, Lesions, draw_lesions
from scripts.phantom_vessels import coverage, draw_tree, draw_tuft, render_vessels

MASKS = (*LESIONS, "OD")


class Photograph(NamedTuple):
    """One drawn photograph: ``image`` [H,W,3] uint8, ``masks`` [H,W] per kind, landmarks (y, x) in its pixels."""

    image: NDArray[np.uint8]
    masks: dict[str, Bools]
    fovea: tuple[float, float]
    disc: tuple[float, float]
    disc_diameter: float
    new_vessels: list[tuple[float, float, float]]


def draw_eye(findings: Findings, *, size: tuple[int, int], seed: tuple[int, ...]) -> Photograph:
    """Draws the eye that ``seed`` stands for: the same seed gives the same anatomy at every size.

    Args:
        findings: what it shall show.
        size: height and width in pixels.
    """
    frame = Frame(*size)
    streams = [np.random.default_rng(child) for child in np.random.SeedSequence(seed).spawn(5)]
    anatomy_rng, vessel_rng, colour_rng, lesion_rng, noise_rng = streams
    eye = draw_anatomy(anatomy_rng)
    view_HW = view_mask(eye, frame)
    disc_HW, disc_opacity_HW, cup_HW = _draw_disc(anatomy_rng, eye, frame)
    veins, arteries = draw_tree(vessel_rng, eye)
    vessels = render_vessels(veins, arteries, frame)
    tufts = _draw_tufts(vessel_rng, eye) if findings.retinopathy == 4 else []
    wide_HW = coverage([v for v in veins + arteries if v.width_N[0] > 18], frame) > 0.2

    near_disc_HW = _distance_from_disc(eye, frame) < 1.25
    lesions = draw_lesions(
        lesion_rng,
        eye,
        frame,
        findings=findings,
        forbidden_HW=near_disc_HW | ~_shrunk_view(eye, frame),
        vessels_HW=wide_HW,
    )
    image_HW3 = _draw_background(colour_rng, eye, frame)
    _paint_disc(image_HW3, disc_opacity_HW, cup_HW, colour_rng)
    image_HW3 *= 1 - vessels.veins_HW[..., None] * np.array((0.22, 0.44, 0.42), np.float32)
    image_HW3 *= 1 - vessels.arteries_HW[..., None] * np.array((0.09, 0.32, 0.36), np.float32)
    image_HW3 *= 1 + vessels.reflex_HW[..., None] * np.array((0.10, 0.28, 0.20), np.float32)
    for tuft in tufts:
        tuft_HW = coverage(draw_tuft(vessel_rng, eye, centre=tuft[:2], radius=tuft[2]), frame)
        image_HW3 *= 1 - tuft_HW[..., None] * np.array((0.08, 0.50, 0.45), np.float32)
    _paint_lesions(image_HW3, lesions, colour_rng, frame)
    return Photograph(
        image=_expose(noise_rng, image_HW3, view_HW, frame),
        masks={**lesions.masks, "OD": disc_HW & view_HW},
        fovea=frame.pixel(eye.fovea_y, eye.fovea_x),
        disc=frame.pixel(eye.disc_y, eye.disc_x),
        disc_diameter=eye.disc_diameter * frame.scale,
        new_vessels=[(*frame.pixel(y, x), radius * frame.scale) for y, x, radius in tufts],
    )


def _distance_from_disc(eye: Anatomy, frame: Frame) -> Floats:
    """Distance of every pixel from the disc's centre in units of the disc's radius in that direction, [H,W]."""
    rows_H1, cols_1W = frame.grids()
    return np.hypot((rows_H1 - eye.disc_y) * 2 / eye.disc_height, (cols_1W - eye.disc_x) * 2 / eye.disc_width)


def _shrunk_view(eye: Anatomy, frame: Frame) -> Bools:
    rows_H1, cols_1W = frame.grids()
    return np.hypot(rows_H1 - eye.view_y, cols_1W - eye.view_x) < eye.view_radius - 12


def _draw_disc(rng: np.random.Generator, eye: Anatomy, frame: Frame) -> tuple[Bools, Floats, Floats]:
    """The disc's mask, its opacity with a soft edge, and how much of its cup covers each pixel, each [H,W]."""
    rows_H1, cols_1W = frame.grids()
    dy, dx = rows_H1 - eye.disc_y, cols_1W - eye.disc_x
    turn = np.arctan2(dy, dx)
    rim = 1 + sum(rng.normal(0, 0.012) * np.cos(k * turn + rng.uniform(0, 6.28)) for k in (2, 3, 4))
    distance = _distance_from_disc(eye, frame) / rim
    soft = max(44.0, 1.5 / frame.scale) * 2 / eye.disc_height
    opacity = np.clip(0.5 + (1 - distance) / soft, 0, 1)
    cup_size = rng.uniform(0.3, 0.6)
    cup_distance = np.hypot(dy, dx - eye.temporal * 0.08 * eye.disc_width) / (eye.disc_height / 2)
    cup = 1 / (1 + np.exp((cup_distance - cup_size) / 0.07))
    return distance <= 1, opacity, cup


def _draw_tufts(rng: np.random.Generator, eye: Anatomy) -> list[tuple[float, float, float]]:
    """Places one or two tufts of new vessels (y, x, radius; full-size pixels): at the disc or along an arcade."""
    tufts = []
    for _ in range(int(rng.integers(1, 3))):
        if rng.uniform() < 0.4:
            y, x = eye.disc_y + rng.normal(0, 120), eye.disc_x + eye.temporal * rng.uniform(100, 300)
        else:
            y = eye.disc_y + rng.choice((-1, 1)) * rng.uniform(650, 950)
            x = eye.disc_x + eye.temporal * rng.uniform(200, 1500)
        tufts.append((float(np.clip(y, 300, 2550)), float(x), float(rng.uniform(190, 330))))
    return tufts


def _draw_background(rng: np.random.Generator, eye: Anatomy, frame: Frame) -> NDArray[np.float32]:
    """Retina without disc, vessels or lesions: pigment, vignetting, macula, choroid, mottling; [H,W,3], about 0-255."""
    coarse = frame.coarsened(536)
    rows_H1, cols_1W = coarse.grids()
    per_pixel = coarse.scale

    def noise(full_sigma: float) -> Floats:
        grid = rng.normal(0, 1, (178, 268))
        smooth = gaussian_filter(grid, full_sigma / 16, mode="reflect")
        return stretched(smooth / smooth.std(), coarse)

    from_view = np.hypot(rows_H1 - eye.view_y, cols_1W - eye.view_x) / eye.view_radius
    from_disc = np.hypot(rows_H1 - eye.disc_y, cols_1W - eye.disc_x) / eye.disc_diameter
    from_fovea = np.hypot(rows_H1 - eye.fovea_y, cols_1W - eye.fovea_x) / eye.disc_diameter
    light = 1 - rng.uniform(0.10, 0.32) * from_view**2
    light = light * (1 + rng.uniform(0.10, 0.28) * np.exp(-((from_disc / 1.7) ** 2)))
    light = light * (1 + 0.06 * noise(420) + 0.025 * noise(110))
    tessellation = rng.uniform(0.08, 0.17) if rng.uniform() < 0.35 else rng.uniform(0.0, 0.05)
    bands = _choroid(rng, eye, coarse, bending=noise(160))
    light = light * (1 + tessellation * bands * np.clip(from_fovea / 1.8 - 0.5, 0, 1))
    macula = rng.uniform(0.12, 0.30) * np.exp(-((from_fovea / 0.75) ** 2)) + rng.uniform(0.08, 0.2) * np.exp(
        -((from_fovea / 0.3) ** 2)
    )
    light = np.clip(light - macula, 0.15, 2.0)
    red = rng.uniform(145, 208)
    green = red * rng.uniform(0.42, 0.54)
    blue = red * float(np.clip(0.075 * np.exp(rng.normal(0, 0.6)), 0.015, 0.24))
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


def _paint_disc(image_HW3: NDArray[np.float32], opacity_HW: Floats, cup_HW: Floats, rng: np.random.Generator) -> None:
    around = image_HW3[opacity_HW > 0.5].mean(0) if (opacity_HW > 0.5).any() else np.array((180.0, 90.0, 20.0))
    rim = np.array((min(250.0, around[0] * 1.22 + 12), around[1] * rng.uniform(1.45, 1.7) + 6, around[2] * 1.6 + 16))
    cup = np.array((min(255.0, rim[0] * 1.06 + 6), rim[1] * rng.uniform(1.12, 1.3), rim[2] * rng.uniform(1.2, 1.7)))
    colour_HW3 = rim * (1 - cup_HW[..., None]) + cup * cup_HW[..., None]
    image_HW3 += (opacity_HW[..., None] * 0.96 * (colour_HW3 - image_HW3)).astype(np.float32)


def _paint_lesions(image_HW3: NDArray[np.float32], lesions: Lesions, rng: np.random.Generator, frame: Frame) -> None:
    grain = gaussian_filter(rng.normal(0, 1, (356, 536)), 1.2)
    grain_HW1 = stretched(grain / grain.std(), frame)[..., None]
    pale = {"SE": ((1.08, 1.34, 1.60), (14, 18, 28), 0.022), "EX": ((1.16, 1.66, 1.30), (24, 28, 4), 0.05)}
    for kind, (gain, lift, grit) in pale.items():
        opacity_HW1 = lesions.opacities[kind][..., None]
        colour = image_HW3 * np.array(gain, np.float32) + np.array(lift, np.float32)
        image_HW3 += opacity_HW1 * (colour * (1 + grit * grain_HW1) - image_HW3)
    dark = {"HE": (0.27, 0.56, 0.45), "MA": (0.20, 0.46, 0.40)}
    for kind, absorbed in dark.items():
        opacity_HW1 = lesions.opacities[kind][..., None] * (0.95 + 0.12 * grain_HW1)
        image_HW3 *= 1 - opacity_HW1 * np.array(absorbed, np.float32)


def _expose(
    rng: np.random.Generator, image_HW3: NDArray[np.float32], view_HW: Bools, frame: Frame
) -> NDArray[np.uint8]:
    """What the camera makes of it: slight blur, sensor noise, black surroundings, and the label PHANTOM."""
    blur = rng.uniform(2.0, 4.5) * frame.scale
    if blur > 0.3:
        image_HW3 = gaussian_filter(image_HW3, (blur, blur, 0), truncate=3)
    image_HW3 = image_HW3 * view_HW[..., None] + np.float32(rng.uniform(0.0, 2.0))
    noise = rng.standard_normal(image_HW3.shape, dtype=np.float32)
    image_HW3 = image_HW3 + noise * np.where(view_HW, np.float32(2.2), np.float32(0.7))[..., None]
    exposed = np.clip(np.rint(image_HW3), 0, 255).astype(np.uint8)
    return label_phantom(exposed)


def label_phantom(image_HW3: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Writes PHANTOM in grey into the lower right corner, outside the field of view."""
    height, width = image_HW3.shape[:2]
    picture = Image.fromarray(image_HW3)
    font = ImageFont.load_default(max(8.0, min(0.042 * width, 0.07 * height)))
    ImageDraw.Draw(picture).text((0.985 * width, 0.975 * height), "PHANTOM", fill=(120,) * 3, font=font, anchor="rs")
    return np.asarray(picture)
