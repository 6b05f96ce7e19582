"""One retina: its layers as surfaces over the scanned square, raised and thickened by fluid.

Heights are micrometres above Bruch's membrane, maps are [N,W]; thicknesses after optical coherence tomography of
healthy eyes (about 220 micrometres at the fovea, 330 beside it).
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from scipy.ndimage import gaussian_filter

from scripts.phantoms.fields import Map, Square, dome, smooth_field

# From Bruch's membrane upwards; each name is the tissue between its surface and the one before.
LAYERS = ("PED", "RPE", "SRF", "OS", "EZ", "IS", "ELM", "ONL", "OPL", "INL", "IPL", "GCL", "RNFL")
_MIN_FLUID = 10.0


class Retina(NamedTuple):
    """The surfaces of one eye.

    Args:
        square: where its A-scans are.
        top_LNW: upper surface of each of `LAYERS` [L,N,W], micrometres above Bruch's membrane.
        bruch_NW: depth of that membrane below the volume's top edge.
        rough_NW: fine unevenness, -1 to 1. content_NW: what fills the detachments, 0 clear fluid to 1 tissue.
        choroid_NW: thickness of the choroid. fovea: its place (along, across) in mm.
    """

    square: Square
    top_LNW: Map
    bruch_NW: Map
    rough_NW: Map
    content_NW: Map
    choroid_NW: Map
    fovea: tuple[float, float]

    def top(self, layer: str) -> Map:
        return self.top_LNW[LAYERS.index(layer)]

    def bottom(self, layer: str) -> Map:
        index = LAYERS.index(layer)
        return self.top_LNW[index - 1] if index else np.zeros_like(self.top_LNW[0])


def draw_retina(
    rng: np.random.Generator, square: Square, *, fluids: tuple[str, ...], depth: float, swellings: list[Map]
) -> Retina:
    """Draws the layers.

    Args:
        fluids: raises the layers where "SRF" or "PED" is among them.
        depth: of the volume in micrometres; the retina is put where it fits.
        swellings: height maps [N,W] in micrometres added to the INL and the ONL (diffuse oedema).
    """
    fovea = (float(rng.normal(0, 0.2)), float(rng.normal(0, 0.25)))
    nasal = rng.choice((-1, 1))
    radius_NW = square.radius(fovea)
    across_1W = square.grids(fovea)[1]
    pit = rng.uniform(0.28, 0.5)
    inner_NW = 1 - rng.uniform(0.85, 1.0) * np.exp(-(radius_NW**2) / (2 * pit**2))
    rim_NW = 1 + 0.25 * np.exp(-((radius_NW - 1.0) ** 2) / 0.5) - 0.06 * radius_NW

    def varied(mean: float, spread: float = 0.12) -> Map:
        wave_NW = 0.06 * smooth_field(rng, square, length=1.6) + 0.04 * smooth_field(rng, square, length=0.22)
        return np.float32(mean * np.exp(rng.normal(0, spread))) * (1 + wave_NW)

    def hills(kind: str) -> tuple[Map, list[Map]]:
        bumps = _hills(rng, square, fovea, kind) if kind in fluids else []
        total_NW = np.zeros_like(radius_NW)
        for bump in bumps:
            total_NW = np.maximum(total_NW, bump)
        return total_NW, bumps

    ped_NW, detachments = hills("PED")
    srf_NW = hills("SRF")[0]
    swollen_NW = sum(swellings, np.zeros_like(radius_NW))
    bumps = _drusen(rng, square)
    raised_NW = ped_NW + srf_NW
    evened_NW = 0.8 * (_blurred(raised_NW, square, width=0.28) - raised_NW)
    thick = {
        "PED": np.where(ped_NW > _MIN_FLUID, ped_NW, 0),
        "RPE": varied(19, 0.08) + bumps,
        "SRF": np.where(srf_NW > _MIN_FLUID, srf_NW, 0),
        "OS": varied(17),
        "EZ": varied(13),
        "IS": varied(17),
        "ELM": varied(6, 0.05),
        "ONL": np.maximum(evened_NW, -42) + varied(62) + 35 * np.exp(-(radius_NW**2) / 0.5) + 0.6 * swollen_NW,
        "OPL": varied(24) * (0.45 + 0.55 * inner_NW),
        "INL": varied(36) * inner_NW * rim_NW + 0.4 * swollen_NW,
        "IPL": varied(36) * inner_NW * rim_NW,
        "GCL": varied(42) * inner_NW * rim_NW,
        "RNFL": varied(16) * inner_NW * (1 + np.clip(nasal * across_1W, -0.6, 3.2)),
    }
    top_LNW = np.cumsum([np.clip(thick[layer], 0, None) for layer in LAYERS], axis=0).astype(np.float32)
    return Retina(
        square=square,
        top_LNW=top_LNW,
        bruch_NW=_place(rng, square, top_LNW[-1], depth),
        rough_NW=np.clip(smooth_field(rng, square, length=0.1), -1, 1),
        content_NW=_content(rng, square, detachments),
        choroid_NW=varied(rng.uniform(140, 320)).astype(np.float32),
        fovea=fovea,
    )


def draw_swellings(rng: np.random.Generator, square: Square, *, fluids: tuple[str, ...]) -> list[Map]:
    """Diffuse thickening [N,W] in micrometres: always with IRF, at times without (a retina that only looks ill)."""
    number = int(rng.integers(1, 4)) if "IRF" in fluids else int(rng.uniform() < 0.35)
    least, tallest = (90, 320) if "IRF" in fluids else (50, 110)
    found = []
    for _ in range(number):
        centre = (float(rng.normal(0, 0.7)), float(rng.normal(0, 0.7)))
        hill_NW = dome(rng, square, centre=centre, radius=rng.uniform(1.0, 2.1), steepness=1.5)
        found.append(np.float32(rng.uniform(least, tallest)) * hill_NW)
    return found


def _hills(rng: np.random.Generator, square: Square, fovea: tuple[float, float], kind: str) -> list[Map]:
    """Heights [N,W] in micrometres of one to three detachments."""
    number = int(rng.integers(1, 4)) if kind == "PED" else int(rng.integers(1, 3))
    spread = 0.7 if kind == "PED" else 0.3
    found = []
    for n in range(number):
        away = rng.normal(0, spread * (0.5 if n == 0 else 1.4), 2)
        centre = (float(fovea[0] + away[0]), float(fovea[1] + away[1]))
        if kind == "PED":
            radius, height, steepness = rng.uniform(0.4, 1.2), rng.uniform(60, 360), rng.uniform(0.7, 1.3)
            height = min(height, 420 * radius)
        else:
            radius, height, steepness = rng.uniform(0.5, 1.5), rng.uniform(50, 240), rng.uniform(0.9, 1.6)
            height = min(height, 260 * radius)
        found.append(np.float32(height) * dome(rng, square, centre=centre, radius=radius, steepness=steepness))
    return found


def _drusen(rng: np.random.Generator, square: Square) -> Map:
    """Small elevations of the RPE that are no detachment: thickness [N,W] in micrometres, up to 24."""
    total_NW = np.zeros((len(square.along_N), len(square.across_W)), np.float32)
    for _ in range(int(rng.integers(4, 30)) if rng.uniform() < 0.4 else 0):
        centre = (float(rng.uniform(-2.2, 2.2)), float(rng.uniform(-2.2, 2.2)))
        bump_NW = dome(rng, square, centre=centre, radius=rng.uniform(0.08, 0.2), steepness=1.0)
        total_NW = np.maximum(total_NW, np.float32(rng.uniform(8, 24)) * bump_NW)
    return total_NW


def _blurred(height_NW: Map, square: Square, *, width: float) -> Map:
    """Gaussian blur by ``width`` millimetres: the inner retina evens out what lies below it."""
    sigmas = [width / float(np.diff(axis).mean()) for axis in square]
    return gaussian_filter(height_NW, sigmas, mode="nearest")


def _content(rng: np.random.Generator, square: Square, detachments: list[Map]) -> Map:
    """Each detachment is serous, fibrovascular or drusenoid; where two meet, the higher one prevails."""
    content_NW = np.zeros((len(square.along_N), len(square.across_W)), np.float32)
    weight_NW = np.full_like(content_NW, 1e-3)
    for bump_NW in detachments:
        kind = rng.choice((rng.uniform(0.0, 0.2), rng.uniform(0.4, 0.75), rng.uniform(0.7, 1.0)))
        content_NW += np.float32(kind) * bump_NW
        weight_NW += bump_NW
    content_NW /= weight_NW
    return np.clip(content_NW + 0.08 * smooth_field(rng, square, length=0.3), 0, 1).astype(np.float32)


def _place(rng: np.random.Generator, square: Square, height_NW: Map, depth: float) -> Map:
    """Depth [N,W] of Bruch's membrane: a tilted bowl, moved so that the whole retina is inside the volume."""
    along_N1, across_1W = square.grids()
    bowl = rng.uniform(2, 26) * (along_N1**2 + across_1W**2)
    tilt = rng.normal(0, 35) * across_1W + rng.normal(0, 18) * along_N1
    bruch_NW = depth * rng.uniform(0.45, 0.72) - bowl + tilt + 8 * smooth_field(rng, square, length=1.8)
    bruch_NW += max(0.0, 45 - float((bruch_NW - height_NW).min()))
    bruch_NW -= max(0.0, float(bruch_NW.max()) - (depth - 70))
    return bruch_NW.astype(np.float32)
