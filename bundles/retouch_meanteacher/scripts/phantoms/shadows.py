"""What darkens or brightens A-scans without being fluid: vessels, exudates, uneven illumination."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from scipy.spatial import KDTree

from scripts.phantoms.fields import Map, Square, smooth_field


class Focus(NamedTuple):
    """A bright spot (hard exudate, pigment): centre (along, across) and radius in mm, place in the retina 0-1."""

    along: float
    across: float
    radius: float
    place: float
    brightness: float


class _Branch(NamedTuple):
    path_P2: np.ndarray
    width: float
    strength: float


class Shadows(NamedTuple):
    """Maps [N,W] in display units: ``vessels_NW`` lost below the vessels, ``light_NW`` gained or lost everywhere;
    ``foci`` are the bright spots."""

    vessels_NW: Map
    light_NW: Map
    foci: list[Focus]


def draw_shadows(rng: np.random.Generator, square: Square, fovea: tuple[float, float]) -> Shadows:
    """Draws two arcades with branches that run towards the fovea, illumination and spots."""
    branches: list[_Branch] = []
    strength = rng.uniform(0.10, 0.30)
    for side in (-1, 1):
        for _ in range(int(rng.integers(1, 3))):
            start = fovea[0] + side * rng.uniform(1.7, 3.0)
            path_P2 = _wander(rng, (start, -3.3), heading=rng.normal(0, 0.15), length=7.5)
            branches.append(_Branch(path_P2, rng.uniform(0.05, 0.085), strength))
            for _ in range(int(rng.integers(3, 8))):
                root = path_P2[int(rng.integers(len(path_P2)))]
                twig_P2 = _wander(rng, (root[0], root[1]), heading=-side * rng.uniform(0.6, 2.4), length=2.2)
                twig_P2 = twig_P2[np.hypot(twig_P2[:, 0] - fovea[0], twig_P2[:, 1] - fovea[1]) > 0.35]
                branches.append(_Branch(twig_P2, rng.uniform(0.018, 0.04), 0.75 * strength))
    sizes = [len(branch.path_P2) for branch in branches]
    tree = KDTree(np.concatenate([branch.path_P2 for branch in branches]))
    places_NW2 = np.stack(np.meshgrid(square.along_N, square.across_W, indexing="ij"), -1)
    distance_NW, nearest_NW = tree.query(places_NW2, distance_upper_bound=0.5)
    nearest_NW = np.minimum(nearest_NW, tree.n - 1)
    width_NW = np.repeat([branch.width for branch in branches], sizes)[nearest_NW]
    strength_NW = np.repeat([branch.strength for branch in branches], sizes)[nearest_NW]
    vessels_NW = strength_NW * np.exp(-((np.minimum(distance_NW, 1) / width_NW) ** 4))
    aside = rng.normal(0, 0.02) * square.grids()[1]
    return Shadows(
        vessels_NW=vessels_NW.astype(np.float32),
        light_NW=(rng.uniform(0.01, 0.05) * smooth_field(rng, square, length=1.4) + aside).astype(np.float32),
        foci=_draw_foci(rng),
    )


def _wander(rng: np.random.Generator, start: tuple[float, float], *, heading: float, length: float) -> np.ndarray:
    """A winding line of points (along, across) [P,2], one every 0.015 mm; heading 0 runs along the B-scan."""
    steps = int(length / 0.015)
    turns = np.cumsum(rng.normal(0, 0.012, steps)) + heading
    turns += 0.12 * np.sin(np.arange(steps) * rng.uniform(0.01, 0.03))
    line = np.cumsum(0.015 * np.stack([np.sin(turns), np.cos(turns)], -1), axis=0)
    return line + np.asarray(start)


def _draw_foci(rng: np.random.Generator) -> list[Focus]:
    number = int(rng.integers(20, 160)) if rng.uniform() < 0.55 else int(rng.integers(0, 8))
    centre = rng.normal(0, 0.8, 2)
    return [
        Focus(
            along=float(centre[0] + rng.normal(0, 0.8)),
            across=float(centre[1] + rng.normal(0, 0.8)),
            radius=float(rng.uniform(0.012, 0.035)),
            place=float(np.clip(rng.normal(0.45, 0.15), 0.15, 0.85)),
            brightness=float(rng.uniform(0.15, 0.4)),
        )
        for _ in range(number)
    ]
