"""Paints one B-scan of a drawn eye, before speckle: reflectivity on the display scale and the fluids' labels."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter, map_coordinates

from scripts.phantoms.anatomy import LAYERS, Retina
from scripts.phantoms.cysts import Cyst, cysts_in_slice
from scripts.phantoms.fields import Map, Square
from scripts.phantoms.shadows import Shadows
from scripts.phantoms.speckle import Picture
from scripts.phantoms.tones import Tones
from scripts.phantoms.vendors import Scan

IRF, SRF, PED = 1, 2, 3
_GRAIN_MM = (0.22, 0.024, 0.085)


class Eye(NamedTuple):
    """All that is drawn of one eye; ``gap_NW``: micrometres between retina and detached vitreous, 0 where attached;
    ``vessels_ZYX``: choroid's lumina, about 0-1, on a grid of its own."""

    square: Square
    retina: Retina
    cysts: list[Cyst]
    shadows: Shadows
    tones: Tones
    gap_NW: Map
    vessels_ZYX: Map


def draw_choroid(rng: np.random.Generator) -> Map:
    """Dark lumina of the choroid on a grid of `_GRAIN_MM`, 0-1."""
    grid = gaussian_filter(rng.standard_normal((30, 24, 78), dtype=np.float32), (0.8, 0.9, 0.8))
    return np.clip((grid / grid.std() - 0.4) * 0.9, 0, 1).astype(np.float32)


def paint_slice(eye: Eye, scan: Scan, n: int) -> tuple[Picture, NDArray[np.uint8]]:
    """Paints B-scan ``n``.

    Returns:
        reflectivity [H,W] float32 on the display scale and labels [H,W] uint8 (0 none, 1 IRF, 2 SRF, 3 PED).
    """
    retina, tones = eye.retina, eye.tones
    depth_H1 = scan.depth_H[:, None]
    soft = max(5.0, scan.spacing[1] * 1000)
    bruch_W = retina.bruch_NW[n]
    image_HW = _paint_layers(eye, depth_H1, soft, n)
    label_HW = np.zeros(image_HW.shape, np.uint8)
    for layer, value in (("SRF", SRF), ("PED", PED)):
        top_W, bottom_W = bruch_W - retina.top(layer)[n], bruch_W - retina.bottom(layer)[n]
        label_HW[(depth_H1 > top_W) & (depth_H1 < bottom_W)] = value
    for first, middle_W, half_W, clearness in cysts_in_slice(eye.cysts, retina, n):
        block = np.s_[:, first : first + len(middle_W)]
        away_HW = np.abs(depth_H1 - (bruch_W[block[1]] - middle_W))
        opacity_HW = np.clip((half_W - away_HW) / soft + 0.5, 0, 1) * np.clip(half_W / soft, 0, 1)
        tone = tones.layers["INL"] + clearness * (tones.cyst - tones.layers["INL"])
        image_HW[block] += opacity_HW * (tone - image_HW[block])
        label_HW[block][away_HW < half_W] = IRF
    _paint_spots(eye, image_HW, depth_H1, n)
    _shade(eye, image_HW, depth_H1, soft, n)
    return image_HW, label_HW


def _paint_layers(eye: Eye, depth_H1: Map, soft: float, n: int) -> Picture:
    retina, tones = eye.retina, eye.tones
    bruch_W, wave_W = retina.bruch_NW[n], tones.wave_NW[n]
    tissue_W = tones.serous + retina.content_NW[n] * (tones.tissue - tones.serous)
    special: dict[str, Map | float] = {"SRF": tones.subretinal, "PED": tissue_W}
    image_HW = np.full((len(depth_H1), len(bruch_W)), tones.vitreous, np.float32)
    above_W: Map | float = tones.vitreous
    for layer in reversed(LAYERS):
        tone_W = special[layer] if layer in special else tones.layers[layer] + wave_W
        image_HW += (tone_W - above_W) * _step(depth_H1 - (bruch_W - retina.top(layer)[n]), soft)
        above_W = tone_W
    below_HW = depth_H1 - bruch_W
    # Light that a detachment keeps back is missing in the choroid.
    lost_W = np.clip(retina.top("PED")[n] / 400, 0, 1) * (0.05 + 0.12 * retina.content_NW[n])
    choroid_HW = tones.choroid - lost_W - tones.decay * below_HW - 0.16 * _choroid(eye, below_HW, n)
    sclera_HW = 0.10 * np.clip((below_HW - retina.choroid_NW[n]) / 40, 0, 1)
    image_HW += _step(below_HW, soft) * (np.maximum(choroid_HW - 0.5 * sclera_HW, 0) - image_HW)
    membrane_W = np.clip(retina.top("PED")[n] / 30, 0, 1) * 0.2 * 6 / soft
    image_HW += membrane_W * np.clip(1 - np.abs(below_HW) / soft, 0, 1)
    gap_W = eye.gap_NW[n]
    line_HW = np.abs(depth_H1 - (bruch_W - retina.top_LNW[-1, n] - gap_W))
    image_HW += np.clip(gap_W / 10, 0, 1) * 0.28 * min(1.0, 6 / soft) * np.clip(1 - line_HW / soft, 0, 1)
    return image_HW


def _choroid(eye: Eye, below_HW: Map, n: int) -> Map:
    """How much of each voxel is a vessel of the choroid, [H,W]."""
    lumina_HW = np.zeros_like(below_HW)
    rows = np.flatnonzero(((below_HW > 20) & (below_HW < eye.retina.choroid_NW[n])).any(1))
    if len(rows) == 0:
        return lumina_HW
    part = np.s_[rows[0] : rows[-1] + 1]
    z = np.clip((eye.square.along_N[n] + 3.2) / _GRAIN_MM[0], 0, len(eye.vessels_ZYX) - 1.001)
    layer_YX = eye.vessels_ZYX[int(z)] * (1 - z % 1) + eye.vessels_ZYX[int(z) + 1] * (z % 1)
    y_HW = below_HW[part] / (1000 * _GRAIN_MM[1])
    x_HW = np.broadcast_to((eye.square.across_W + 3.2) / _GRAIN_MM[2], y_HW.shape)
    inside_HW = (below_HW[part] > 20) & (below_HW[part] < eye.retina.choroid_NW[n])
    lumina_HW[part] = map_coordinates(layer_YX, [y_HW, x_HW], order=1, mode="nearest") * inside_HW
    return lumina_HW


def _paint_spots(eye: Eye, image_HW: Picture, depth_H1: Map, n: int) -> None:
    """Bright foci with the shadows that they throw."""
    retina = eye.retina
    for focus in eye.shadows.foci:
        away = (eye.square.along_N[n] - focus.along) / focus.radius
        reach_W = 1 - away**2 - ((eye.square.across_W - focus.across) / focus.radius) ** 2
        columns = np.flatnonzero(reach_W > 0)
        if len(columns) == 0:
            continue
        low_W, high_W = retina.bottom("ONL")[n, columns], retina.top("GCL")[n, columns]
        centre_W = retina.bruch_NW[n, columns] - (low_W + focus.place * (high_W - low_W))
        block = np.s_[:, columns[0] : columns[-1] + 1]
        half_W = 800 * focus.radius * np.sqrt(reach_W[columns])
        image_HW[block] += focus.brightness * np.clip((half_W - np.abs(depth_H1 - centre_W)) / 8 + 0.5, 0, 1)
        image_HW[block] -= 0.35 * focus.brightness * np.clip((depth_H1 - centre_W - half_W) / 20, 0, 1)


def _shade(eye: Eye, image_HW: Picture, depth_H1: Map, soft: float, n: int) -> None:
    shadows, retina = eye.shadows, eye.retina
    vitreal_W = retina.bruch_NW[n] - retina.top_LNW[-1, n]
    vessels_W = shadows.vessels_NW[n]
    lumen_HW = np.clip(1 - np.abs(depth_H1 - vitreal_W - 30) / max(22.0, soft), 0, 1)
    image_HW += 0.5 * vessels_W * lumen_HW
    image_HW -= vessels_W * np.clip((depth_H1 - vitreal_W - 40) / 40, 0, 1)
    image_HW += shadows.light_NW[n] * _step(depth_H1 - vitreal_W, soft)
    image_HW -= eye.tones.falloff * depth_H1


def _step(away: Map, soft: float) -> Map:
    """0 above a surface, 1 below it, linear over ``soft`` micrometres: the share of a voxel that lies below."""
    return np.clip(away / np.float32(soft) + np.float32(0.5), 0, 1)
