"""How bright each tissue of one volume is, between volumes as different as between patients and devices."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from scripts.phantoms.fields import Map, Square, smooth_field
from scripts.phantoms.vendors import Vendor

# Reflectivity on the logarithmic display scale, after Duke's Spectralis B-scans (Chiu et al. 2015).
_LAYER_TONES = {
    "RNFL": 0.72,
    "GCL": 0.52,
    "IPL": 0.57,
    "INL": 0.42,
    "OPL": 0.55,
    "ONL": 0.37,
    "ELM": 0.48,
    "IS": 0.41,
    "EZ": 0.76,
    "OS": 0.52,
    "RPE": 0.80,
}


class Tones(NamedTuple):
    """Brightness on the display scale 0-1: of ``layers`` (with their slow changes ``wave_NW``), of fluids, of what is
    above and below the retina; ``decay`` per micrometre below Bruch's membrane, ``falloff`` per micrometre of depth;
    the noise ``floor``; the tones ``black`` and ``white`` of the stored picture."""

    layers: dict[str, float]
    wave_NW: Map
    cyst: float
    subretinal: float
    serous: float
    tissue: float
    vitreous: float
    choroid: float
    decay: float
    falloff: float
    floor: float
    black: float
    white: float


def draw_tones(rng: np.random.Generator, square: Square, vendor: Vendor) -> Tones:
    """Draws them for one volume of ``vendor``."""
    look = vendor.look
    gain = rng.uniform(0.88, 1.10)
    onl = rng.normal(0, 0.03)
    layers = {layer: float(gain * (tone + rng.normal(0, 0.02))) for layer, tone in _LAYER_TONES.items()}
    layers["ONL"] = float(gain * (_LAYER_TONES["ONL"] + onl))
    fluid = layers["ONL"] - rng.uniform(0.09, 0.20)
    floor = look.floor + rng.uniform(-0.05, 0.06)
    black = floor - look.haze * rng.uniform(0.3, 1.5)
    return Tones(
        layers=layers,
        wave_NW=(0.035 * smooth_field(rng, square, length=0.5)).astype(np.float32),
        cyst=float(fluid),
        subretinal=float(fluid + rng.normal(-0.02, 0.035)),
        serous=float(fluid + rng.normal(0.02, 0.03)),
        tissue=float(gain * rng.uniform(0.48, 0.60)),
        vitreous=float(rng.uniform(0.02, 0.16)),
        choroid=float(gain * rng.uniform(0.52, 0.68)),
        decay=float(rng.uniform(0.0005, 0.0015)),
        falloff=float(rng.uniform(0, 0.00008)),
        floor=float(floor),
        black=float(black),
        white=float(black + rng.uniform(0.62, 0.86) / look.contrast),
    )
