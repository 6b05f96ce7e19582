"""Draws one eye as a fundus photograph with its masks, by layers: background, disc, vessels, lesions, camera."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont
from scipy.ndimage import gaussian_filter

from scripts.phantoms.frame import Anatomy, Bools, Frame, draw_anatomy, stretched, view_mask
from scripts.phantoms.lesions import Findings, Lesions, draw_lesions
from scripts.phantoms.retina import distance_from_disc, draw_background, draw_disc, paint_disc
from scripts.phantoms.sheet import LESIONS
from scripts.phantoms.vessels import coverage, draw_tree, draw_tuft, render_vessels

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
    disc_HW, disc_opacity_HW, cup_HW = draw_disc(anatomy_rng, eye, frame)
    veins, arteries = draw_tree(vessel_rng, eye)
    vessels = render_vessels(veins, arteries, frame)
    tufts = _draw_tufts(vessel_rng, eye) if findings.retinopathy == 4 else []
    wide_HW = coverage([v for v in veins + arteries if v.width_N[0] > 18], frame, smooth=False) > 0.2

    near_disc_HW = distance_from_disc(eye, frame) < 1.25
    lesions = draw_lesions(
        lesion_rng,
        eye,
        frame,
        findings=findings,
        forbidden_HW=near_disc_HW | ~_shrunk_view(eye, frame),
        vessels_HW=wide_HW,
    )
    image_HW3 = draw_background(colour_rng, eye, frame)
    paint_disc(image_HW3, disc_opacity_HW, cup_HW, colour_rng)
    image_HW3 *= 1 - vessels.veins_HW[..., None] * np.array((0.15, 0.41, 0.40), np.float32)
    image_HW3 *= 1 - vessels.arteries_HW[..., None] * np.array((0.04, 0.30, 0.34), np.float32)
    image_HW3 *= 1 + vessels.reflex_HW[..., None] * np.array((0.10, 0.28, 0.20), np.float32)
    for tuft in tufts:
        tuft_HW = coverage(draw_tuft(vessel_rng, eye, centre=tuft[:2], radius=tuft[2]), frame)
        image_HW3 *= 1 - tuft_HW[..., None] * np.array((0.05, 0.46, 0.42), np.float32)
    _paint_lesions(image_HW3, lesions, colour_rng, frame)
    return Photograph(
        image=_expose(noise_rng, image_HW3, view_HW, frame),
        masks={**lesions.masks, "OD": disc_HW & view_HW},
        fovea=frame.pixel(eye.fovea_y, eye.fovea_x),
        disc=frame.pixel(eye.disc_y, eye.disc_x),
        disc_diameter=eye.disc_diameter * frame.scale,
        new_vessels=[(*frame.pixel(y, x), radius * frame.scale) for y, x, radius in tufts],
    )


def _shrunk_view(eye: Anatomy, frame: Frame) -> Bools:
    rows_H1, cols_1W = frame.grids()
    return np.hypot(rows_H1 - eye.view_y, cols_1W - eye.view_x) < eye.view_radius - 12


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


def _paint_lesions(image_HW3: NDArray[np.float32], lesions: Lesions, rng: np.random.Generator, frame: Frame) -> None:
    grain = gaussian_filter(rng.normal(0, 1, (356, 536)), 1.2)
    grain_HW1 = stretched(grain / grain.std(), frame)[..., None]
    pale = {"SE": ((1.08, 1.36, 1.35), (14, 18, 28), 0.022), "EX": ((1.16, 1.66, 1.30), (24, 28, 4), 0.05)}
    for kind, (gain, lift, grit) in pale.items():
        opacity_HW1 = lesions.opacities[kind][..., None]
        colour = image_HW3 * np.array(gain, np.float32) + np.array(lift, np.float32)
        image_HW3 += opacity_HW1 * (colour * (1 + grit * grain_HW1) - image_HW3)
    dark = {"HE": (0.23, 0.54, 0.45), "MA": (0.20, 0.46, 0.40)}
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
