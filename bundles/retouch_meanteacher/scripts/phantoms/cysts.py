"""Intra-retinal cysts: ellipsoids that lie within the inner or outer nuclear layer, or one large one across both."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from scripts.phantoms.anatomy import Retina
from scripts.phantoms.fields import Map


class Cyst(NamedTuple):
    """One cyst: centre (along, across) and radii in mm, the share of its layer's height (0-1) that it fills at most,
    its ``place`` between the layer's surfaces (0-1), which layer, and how clear its content is (0-1)."""

    along: float
    across: float
    radius_along: float
    radius_across: float
    filled: float
    place: float
    layer: str
    clearness: float


class CystSlice(NamedTuple):
    """A cyst in one B-scan: columns ``first`` on, ``middle_W`` and ``half_W`` height in micrometres above Bruch's."""

    first: int
    middle_W: Map
    half_W: Map
    clearness: float


def draw_cysts(rng: np.random.Generator, retina: Retina, swellings: list[Map]) -> list[Cyst]:
    """Places cysts where the retina is swollen: one to three crowds, at times with a large one at the fovea."""
    square = retina.square
    cysts: list[Cyst] = []
    if rng.uniform() < 0.5:
        along, across = (float(place + rng.normal(0, 0.12)) for place in retina.fovea)
        long, wide, filled = rng.uniform(0.18, 0.45), rng.uniform(0.18, 0.42), rng.uniform(0.75, 0.95)
        cysts.append(Cyst(along, across, long, wide, filled, 0.5, "both", 1.0))
    for swelling_NW in swellings:
        row, column = np.unravel_index(int(np.argmax(swelling_NW)), swelling_NW.shape)
        crowd = (float(square.along_N[row]), float(square.across_W[column]))
        reach = float(np.sqrt((swelling_NW > 0.4 * swelling_NW.max()).mean()) * 6.0) / 2
        for _ in range(int(rng.integers(14, 70))):
            layer = "INL" if rng.uniform() < 0.45 else "ONL"
            radius = rng.uniform(0.05, 0.24) if layer == "INL" else rng.uniform(0.07, 0.42)
            cyst = Cyst(
                along=float(crowd[0] + rng.normal(0, 0.5) * reach),
                across=float(crowd[1] + rng.normal(0, 0.5) * reach),
                radius_along=float(radius * rng.uniform(0.8, 1.6)),
                radius_across=float(radius),
                filled=float(rng.uniform(0.6, 0.92)),
                place=float(rng.uniform(0, 1)),
                layer=layer,
                clearness=float(np.clip(rng.normal(0.9, 0.12), 0.55, 1)),
            )
            if not any(_touch(cyst, other) for other in cysts):
                cysts.append(cyst)
    return cysts


def cysts_in_slice(cysts: list[Cyst], retina: Retina, n: int) -> list[CystSlice]:
    """Cuts the cysts by B-scan ``n``."""
    square = retina.square
    found = []
    for cyst in cysts:
        away = (square.along_N[n] - cyst.along) / cyst.radius_along
        if abs(away) >= 1:
            continue
        span_W = (square.across_W - cyst.across) / cyst.radius_across
        inside_W = 1 - away**2 - span_W**2 * (1 + 0.25 * retina.rough_NW[n])
        inside = np.flatnonzero(inside_W > 0)
        if len(inside) == 0:
            continue
        columns = np.arange(inside[0], inside[-1] + 1)
        bottom_W, top_W = _bounds(cyst, retina, n, columns)
        # Within its layer: an ellipsoid as high as the layer allows, flattened where the layer is thin.
        thick_W = np.maximum(top_W - bottom_W, 0)
        tallest = 0.5 * cyst.filled * min(float(thick_W.max()), 2000 * cyst.radius_across)
        half_W = tallest * np.sqrt(np.maximum(inside_W[columns], 0)) * (1 + 0.12 * retina.rough_NW[n, columns])
        half_W = np.minimum(half_W, 0.48 * thick_W)
        room = float((thick_W - 2 * half_W).min())
        middle_W = (bottom_W + top_W) / 2 + (cyst.place - 0.5) * room
        found.append(CystSlice(int(columns[0]), middle_W.astype(np.float32), half_W.astype(np.float32), cyst.clearness))
    return found


def _bounds(cyst: Cyst, retina: Retina, n: int, columns: np.ndarray) -> tuple[Map, Map]:
    if cyst.layer == "both":
        return retina.bottom("ONL")[n, columns] + 15, retina.top("GCL")[n, columns] - 4
    return retina.bottom(cyst.layer)[n, columns], retina.top(cyst.layer)[n, columns]


def _touch(first: Cyst, second: Cyst) -> bool:
    """Whether two cysts of one layer leave no tissue between them."""
    if first.layer != second.layer and "both" not in (first.layer, second.layer):
        return False
    away = (first.along - second.along) / (first.radius_along + second.radius_along)
    aside = (first.across - second.across) / (first.radius_across + second.radius_across)
    return bool(np.hypot(away, aside) < 1.0)
