"""Lesions of a drawn eye: microaneurysms, haemorrhages, hard and soft exudates, and what their numbers mean.

Sizes follow IDRiD's masks (full-size pixels, median and 95th percentile of the equivalent diameter): MA 17 and 29,
HE 47 and 153, EX 18 and 60, SE 100 and 169. No lesion is drawn with a radius under one pixel of the photograph asked
for, so small photographs have relatively larger small lesions. Masks are exactly what was drawn: where a lesion is at
least half opaque. Lesions of different kinds never overlap, and none touches the disc or leaves the field of view.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from scripts.phantoms.frame import Anatomy, Bools, Frame
from scripts.phantoms.sheet import LesionSheet

SEVERE_HAEMORRHAGES = 4
MACULA_MARGIN = 0.12


class Findings(NamedTuple):
    """What an eye shall show. ``macular`` is the grade MER: where its hard exudates lie, if it has any."""

    retinopathy: int
    macular: int
    haemorrhages: bool
    soft_exudates: bool


class Lesions(NamedTuple):
    """Opacity [H,W] in 0-1 and mask [H,W] of every kind, in the order of ``LESIONS``."""

    opacities: dict[str, NDArray[np.float32]]
    masks: dict[str, Bools]


def draw_lesions(
    rng: np.random.Generator, eye: Anatomy, frame: Frame, *, findings: Findings, forbidden_HW: Bools, vessels_HW: Bools
) -> Lesions:
    """Draws what ``findings`` ask for.

    Args:
        forbidden_HW: where no lesion may lie: the disc with a margin and everything outside the view.
        vessels_HW: where large vessels lie; microaneurysms keep off them.
    """
    sheet = LesionSheet(rng, eye, frame, forbidden_HW)
    if findings.macular:
        _place_exudates(sheet, macular=findings.macular, spread=findings.retinopathy)
    if findings.haemorrhages:
        _place_haemorrhages(sheet, severe=findings.retinopathy == 3)
    if findings.soft_exudates:
        _place_soft_exudates(sheet)
    if findings.retinopathy:
        _place_microaneurysms(sheet, findings=findings, vessels_HW=vessels_HW)
    return Lesions(sheet.opacities, sheet.masks)


def _place_exudates(sheet: LesionSheet, *, macular: int, spread: int) -> None:
    """Clusters and rings of hard exudates; ``macular`` 2: some within one disc diameter of the fovea, 1: none."""
    rng, eye = sheet.rng, sheet.eye
    nearest = 1 + MACULA_MARGIN if macular == 1 else 0.15
    clusters = int(rng.integers(2, 7))
    budget = sheet.lognormal(140, 0.75, 25, 500)
    drawn = inside = 0
    for cluster in range(60):
        central = macular == 2 and (cluster == 0 or inside == 0)
        while True:
            distance = rng.uniform(0.3, 0.75) if central else nearest + rng.gamma(2.0, 0.45)
            turn = rng.uniform(0, 2 * np.pi)
            centre = np.array([eye.fovea_y, eye.fovea_x]) + distance * eye.disc_diameter * np.array(
                [np.sin(turn), np.cos(turn)]
            )
            if np.hypot(centre[0] - eye.view_y, centre[1] - eye.view_x) < 0.85 * eye.view_radius:
                break
        ring = rng.uniform(110, 260) if rng.uniform() < 0.35 else 0.0
        extent = rng.uniform(40, 150)
        plaque = rng.uniform() < 0.35
        for _ in range(int(budget / clusters * rng.uniform(0.5, 1.5)) + 2):
            turn = rng.uniform(0, 2 * np.pi)
            offset = np.array([np.sin(turn), np.cos(turn)]) * (
                rng.normal(ring, 22) if ring else extent * abs(rng.normal(0, 1))
            )
            y, x = centre + offset
            radius = 0.5 * sheet.lognormal(36 if plaque else 19, 0.6, 8, 130)
            clear = sheet.from_fovea(y, x) - 2 * max(radius, 1 / sheet.frame.scale) / eye.disc_diameter
            if clear < nearest:
                continue
            placed = sheet.place(
                "EX",
                y,
                x,
                radius=radius,
                softness=5,
                strength=rng.uniform(0.65, 1.0),
                stretch=rng.uniform(1, 2),
                angle=rng.uniform(0, np.pi),
                wobble=0.15,
                may_touch=True,
            )
            drawn += placed
            inside += placed and sheet.from_fovea(y, x) < 1 - MACULA_MARGIN
        if cluster + 1 >= clusters and drawn >= 5 and (macular == 1 or inside):
            return
    raise RuntimeError("no room for hard exudates")


def _place_haemorrhages(sheet: LesionSheet, *, severe: bool) -> None:
    """Blots and flames; ``severe``: SEVERE_HAEMORRHAGES or more in every quadrant about the fovea, else not so."""
    rng, eye = sheet.rng, sheet.eye
    if severe:
        wanted = rng.integers(SEVERE_HAEMORRHAGES, 12, size=4)
    else:
        wanted = rng.integers(0, 7, size=4)
        spared, bleeding = rng.permutation(4)[:2]
        wanted[spared] = rng.integers(0, SEVERE_HAEMORRHAGES - 1)
        wanted[bleeding] += 1
    counts = np.zeros(4, int)
    for attempt in range(6000):
        if (counts >= wanted).all():
            return
        y, x = sheet.anywhere(outer=0.95)
        if abs(y - eye.fovea_y) < 25 or abs(x - eye.fovea_x) < 25:
            continue
        quadrant = 2 * int(y > eye.fovea_y) + int(x > eye.fovea_x)
        if counts[quadrant] >= wanted[quadrant]:
            continue
        flame = rng.uniform() < 0.35
        shrink = 0.998**attempt
        radius = 0.5 * sheet.lognormal(62, 0.62, 26, 250) * shrink
        radius = min(radius, 0.8 * abs(y - eye.fovea_y), 0.8 * abs(x - eye.fovea_x))
        counts[quadrant] += sheet.place(
            "HE",
            y,
            x,
            radius=radius,
            softness=max(9.0, (0.5 if flame else 0.4) * radius),
            strength=rng.uniform(0.7, 1.0),
            stretch=rng.uniform(1.8, 3.2) if flame else rng.uniform(1, 1.5),
            angle=np.arctan2(y - eye.disc_y, x - eye.disc_x) if flame else rng.uniform(0, np.pi),
            wobble=0.12 if flame else 0.085,
        )
    raise RuntimeError("no room for haemorrhages")


def _place_soft_exudates(sheet: LesionSheet) -> None:
    """Cotton-wool spots along the arcades: pale, with a wide soft edge."""
    rng, eye = sheet.rng, sheet.eye
    wanted, placed = int(1 + rng.poisson(1.6)), 0
    for _ in range(3000):
        y, x = sheet.anywhere(inner=0.8, outer=0.85)
        if np.hypot(y - eye.disc_y, x - eye.disc_x) > 3.2 * eye.disc_diameter:
            continue
        placed += sheet.place(
            "SE",
            y,
            x,
            radius=0.5 * sheet.lognormal(115, 0.3, 60, 230),
            softness=45,
            strength=rng.uniform(0.75, 1.0),
            stretch=rng.uniform(1, 1.7),
            angle=rng.uniform(0, np.pi),
            wobble=0.08,
        )
        if placed >= wanted:
            return
    raise RuntimeError("no room for soft exudates")


def _place_microaneurysms(sheet: LesionSheet, *, findings: Findings, vessels_HW: Bools) -> None:
    rng = sheet.rng
    median = 12 if findings.retinopathy == 1 else 32
    wanted, placed = round(sheet.lognormal(median, 0.7, 4, 130)), 0
    sheet.taken_HW |= vessels_HW
    for _ in range(4000):
        y, x = sheet.anywhere(outer=0.92)
        if rng.uniform() > np.exp(-((sheet.from_fovea(y, x) / 2.2) ** 2)) + 0.15:
            continue
        radius = 0.5 * sheet.lognormal(19, 0.25, 12, 36)
        placed += sheet.place("MA", y, x, radius=radius, softness=6, strength=rng.uniform(0.7, 1.0), wobble=0.06)
        if placed >= wanted:
            return
    raise RuntimeError("no room for microaneurysms")
