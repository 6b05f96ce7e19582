"""Retinal vessels of a drawn eye: four arcades of an artery and a vein each, with branches, and new-vessel tufts."""

from __future__ import annotations

import itertools
import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw
from scipy.interpolate import make_interp_spline

from scripts.phantoms.frame import FULL_HEIGHT, Anatomy, Floats, Frame

STEP = 14.0


class Vessel(NamedTuple):
    """A centre line ``path_N2`` (y, x) with ``width_N``, both in full-size pixels; ``strength`` 0-1 is its darkness."""

    path_N2: Floats
    width_N: Floats
    strength: float


class VesselMaps(NamedTuple):
    """How much of each kind of vessel covers a pixel, [H,W] in 0-1; ``reflex`` is the light streak on arteries."""

    veins_HW: NDArray[np.float32]
    arteries_HW: NDArray[np.float32]
    reflex_HW: NDArray[np.float32]


# Control points of the arcades from the disc centre, in disc diameters: (towards the macula, away from its level).
_ARCADES = (
    ((0.0, 0.0), (0.05, 0.6), (0.5, 1.2), (1.4, 1.65), (2.5, 1.75), (3.6, 1.5), (4.8, 1.4)),
    ((0.0, 0.0), (-0.2, 0.6), (-0.75, 1.3), (-1.3, 2.2), (-1.8, 3.4), (-2.1, 4.6)),
)


def draw_tree(rng: np.random.Generator, eye: Anatomy) -> tuple[list[Vessel], list[Vessel]]:
    """Returns the veins and the arteries of one eye."""
    veins: list[Vessel] = []
    arteries: list[Vessel] = []
    for vessels, width, shift in ((veins, 36.0, 0.0), (arteries, 27.0, 0.2)):
        for points in _ARCADES:
            for up in (-1, 1):
                _grow_arcade(
                    rng, eye, points=points, up=up, width=width * rng.uniform(0.85, 1.15), shift=shift, out=vessels
                )
        for up in (-1, 1):
            start = np.array([eye.disc_y + up * rng.uniform(20, 90), eye.disc_x])
            heading = np.arctan2(up * rng.uniform(0.1, 0.7), eye.temporal)
            _grow_branch(
                rng, eye, start=start, heading=heading, width=13.0, length=rng.uniform(500, 900), depth=1, out=vessels
            )
            heading = np.arctan2(up * rng.uniform(0.1, 0.8), -eye.temporal)
            _grow_branch(
                rng, eye, start=start, heading=heading, width=15.0, length=rng.uniform(500, 900), depth=1, out=vessels
            )
    return veins, arteries


def _grow_arcade(
    rng: np.random.Generator,
    eye: Anatomy,
    *,
    points: tuple[tuple[float, float], ...],
    up: int,
    width: float,
    shift: float,
    out: list[Vessel],
) -> None:
    control_K2 = np.array([(up * away, eye.temporal * along) for along, away in points]) * eye.disc_diameter
    control_K2[:, 0] *= 1 + np.linspace(0, 1, len(points)) * (shift * rng.choice((-1, 1)) + rng.uniform(-0.12, 0.12))
    control_K2[2:] += rng.normal(0, 0.09, control_K2[2:].shape) * eye.disc_diameter
    control_K2 += (eye.disc_y, eye.disc_x - eye.temporal * 0.05 * eye.disc_diameter)
    control_K2[1:, 0] += (eye.fovea_y - eye.disc_y) * np.linspace(0.1, 0.8, len(points) - 1)
    control_K2[0] += rng.normal(0, 18, 2)
    chord_K = np.concatenate([[0.0], np.cumsum(np.hypot(*np.diff(control_K2, axis=0).T))])
    position_N = np.arange(0.0, chord_K[-1], STEP)
    path_N2 = make_interp_spline(chord_K, control_K2, k=3)(position_N)
    tangent_N2 = np.gradient(path_N2, axis=0)
    normal_N2 = np.stack([-tangent_N2[:, 1], tangent_N2[:, 0]], 1) / np.hypot(*tangent_N2.T)[:, None]
    waves = sum(
        rng.uniform(4, 16) * np.sin(2 * np.pi * position_N / length + rng.uniform(0, 6.28))
        for length in (210, 390, 700)
    )
    path_N2 = path_N2 + normal_N2 * (waves * np.minimum(1, position_N / 400))[:, None]
    width_N = width * (1 - 0.65 * position_N / position_N[-1])
    out.append(Vessel(path_N2, width_N, 1.0))
    side, at = rng.choice((-1, 1)), rng.uniform(250, 420)
    while at < position_N[-1]:
        index = int(at / STEP)
        heading = np.arctan2(*np.gradient(path_N2, axis=0)[index]) + side * rng.uniform(0.4, 0.9)
        branch_width = width_N[index] * rng.uniform(0.4, 0.75)
        length = branch_width * rng.uniform(45, 90)
        _grow_branch(
            rng, eye, start=path_N2[index], heading=heading, width=branch_width, length=length, depth=2, out=out
        )
        side, at = -side, at + rng.uniform(130, 360)


def _grow_branch(
    rng: np.random.Generator,
    eye: Anatomy,
    *,
    start: Floats,
    heading: float,
    width: float,
    length: float,
    depth: int,
    out: list[Vessel],
    bend: float = 0.022,
) -> None:
    """A random walk whose heading wanders smoothly; it ends at the fovea's vessel-free zone or outside the view."""
    y, x, curvature = float(start[0]), float(start[1]), 0.0
    path = [(y, x)]
    free_zone = 0.4 * eye.disc_diameter * rng.uniform(0.8, 1.2)
    for push in rng.normal(0, bend, max(4, int(length / STEP))).tolist():
        outward = math.atan2(y - eye.disc_y, x - eye.disc_x)
        curvature = 0.88 * curvature + push
        heading += curvature + 0.02 * math.sin(outward - heading)
        y, x = y + STEP * math.sin(heading), x + STEP * math.cos(heading)
        near_fovea = math.hypot(y - eye.fovea_y, x - eye.fovea_x) < free_zone
        outside = math.hypot(y - eye.view_y, x - eye.view_x) > eye.view_radius + 100
        if near_fovea or outside:
            break
        path.append((y, x))
    if len(path) < 4:
        return
    path_N2 = np.array(path)
    width_N = width * np.linspace(1, 0.3, len(path_N2))
    out.append(Vessel(path_N2, width_N, float(np.clip(width / 15, 0.35, 1))))
    if depth == 0:
        return
    side, at = rng.choice((-1, 1)), int(rng.uniform(8, 20))
    while at < len(path_N2) - 3:
        _grow_branch(
            rng,
            eye,
            start=path_N2[at],
            heading=np.arctan2(*(path_N2[at + 1] - path_N2[at])) + side * rng.uniform(0.35, 0.85),
            width=width_N[at] * rng.uniform(0.5, 0.8),
            length=length * rng.uniform(0.3, 0.6),
            depth=depth - 1,
            out=out,
        )
        side, at = -side, at + int(rng.uniform(12, 34))


def draw_tuft(rng: np.random.Generator, eye: Anatomy, *, centre: tuple[float, float], radius: float) -> list[Vessel]:
    """New vessels: fine tangled loops about ``centre`` (y, x), within about ``radius`` full-size pixels."""
    tuft: list[Vessel] = []
    for _ in range(26):
        start = np.array(centre) + rng.normal(0, 0.22 * radius, 2)
        _grow_branch(
            rng,
            eye,
            start=start,
            heading=rng.uniform(0, 6.28),
            width=rng.uniform(9, 15),
            length=rng.uniform(0.8, 1.9) * radius,
            depth=1,
            out=tuft,
            bend=0.12,
        )
    return [vessel._replace(strength=1.0) for vessel in tuft]


def render_vessels(veins: list[Vessel], arteries: list[Vessel], frame: Frame) -> VesselMaps:
    """Draws the vessels at the frame's size."""
    streaks = [Vessel(v.path_N2, v.width_N * 0.3, v.strength) for v in arteries if v.width_N[0] > 14]
    return VesselMaps(coverage(veins, frame), coverage(arteries, frame), coverage(streaks, frame))


def coverage(vessels: list[Vessel], frame: Frame, *, smooth: bool = True) -> NDArray[np.float32]:
    """How much of every pixel the vessels cover, times their strength: [H,W] in 0-1; not ``smooth``: edges are hard."""
    fineness = int(np.clip(round(FULL_HEIGHT / frame.height), 1, 4)) if smooth else 1
    fine = Frame(frame.height * fineness, frame.width * fineness)
    image = Image.new("L", (fine.width, fine.height))
    pen = ImageDraw.Draw(image)
    strokes: list[tuple[int, int, list[tuple[float, float]]]] = []
    for path_N2, width_N, strength in vessels:
        points = [(x, y) for y, x in fine.pixels(path_N2).tolist()]
        widths_N = width_N * fine.scale
        levels_N = np.rint(255 * strength * np.clip(widths_N, 0.25, 1)).astype(int)
        pens_N = np.maximum(1, np.rint(widths_N)).astype(int)
        changes = np.flatnonzero((np.diff(levels_N) != 0) | (np.diff(pens_N) != 0)) + 1
        bounds = [0, *changes.tolist(), len(points) - 1]
        for first, last in itertools.pairwise(bounds):
            if last > first:
                strokes.append((int(levels_N[first]), int(pens_N[first]), points[first : last + 1]))
    for level, width, line in sorted(strokes):
        pen.line(line, fill=level, width=width)
        if width > 2:
            half = width / 2
            for x, y in line:
                pen.ellipse((x - half, y - half, x + half, y + half), fill=level)
    if fineness > 1:
        image = image.resize((frame.width, frame.height), Image.Resampling.BOX)
    return np.asarray(image, np.float32) * np.float32(1 / 255)
