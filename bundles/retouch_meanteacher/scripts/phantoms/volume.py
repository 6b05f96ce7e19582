"""Draws one OCT volume: an eye, its B-scans one after the other as the scanner stores them, and their labels."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from scripts.phantoms.anatomy import draw_retina, draw_swellings
from scripts.phantoms.cysts import cysts_in_slice, draw_cysts
from scripts.phantoms.fields import Map, Square, smooth_field
from scripts.phantoms.paint import Eye, draw_choroid, paint_slice
from scripts.phantoms.plan import FLUIDS, PlannedVolume
from scripts.phantoms.shadows import draw_shadows
from scripts.phantoms.speckle import Picture, add_speckle
from scripts.phantoms.tones import draw_tones
from scripts.phantoms.vendors import Scan, scan_of

# A planned fluid must have this much, or the eye is drawn anew.
_LEAST_MM3 = 0.02
_ATTEMPTS = 30


class BScan(NamedTuple):
    """``image_HW`` in the scanner's type and ``label_HW`` uint8."""

    image_HW: NDArray[Any]
    label_HW: NDArray[np.uint8]


class DrawnVolume(NamedTuple):
    """An eye before a scanner; :meth:`bscans` scans it."""

    planned: PlannedVolume
    scan: Scan
    eye: Eye
    seed: tuple[int, ...]

    @property
    def fovea(self) -> tuple[float, float]:
        """B-scan and column of the fovea, in voxels; whole numbers are voxel centres."""
        (along, across), (slices, _, columns) = self.eye.retina.fovea, self.scan.shape
        return along / self.scan.spacing[0] + (slices - 1) / 2, across / self.scan.spacing[2] + (columns - 1) / 2

    def bscans(self) -> Iterator[BScan]:
        """The B-scans in order."""
        look, tones = self.planned.vendor.look, self.eye.tones
        rng = np.random.default_rng(np.random.SeedSequence((*self.seed, 1)))
        edges = _Edges(rng, self)
        largest = np.iinfo(self.planned.vendor.dtype).max
        for n in range(self.scan.shape[0]):
            clean_HW, label_HW = paint_slice(self.eye, self.scan, n)
            shown_HW = add_speckle(rng, clean_HW, look=look, scan=self.scan, floor=tones.floor)
            shown_HW = np.clip((shown_HW - tones.black) / (tones.white - tones.black), 0, 1)
            edges.whiten(shown_HW, n)
            stored_HW = np.rint(shown_HW * np.float32(largest)).astype(self.planned.vendor.dtype)
            yield BScan(stored_HW, label_HW)


def draw_volume(planned: PlannedVolume, *, scale: float, slice_scale: float, seed: int) -> DrawnVolume:
    """Draws the eye of ``planned``; the same seed gives about the same eye at every scale."""
    scan = scan_of(planned.vendor, model=planned.model, scale=scale, slice_scale=slice_scale)
    drawn = None
    for attempt in range(_ATTEMPTS):
        seeds = (seed, 1, planned.number, attempt)
        drawn = DrawnVolume(planned, scan, _draw_eye(planned, scan, seeds), seeds)
        if _shows(drawn):
            break
    assert drawn is not None
    return drawn


def _draw_eye(planned: PlannedVolume, scan: Scan, seed: tuple[int, ...]) -> Eye:
    streams = [np.random.default_rng(child) for child in np.random.SeedSequence((*seed, 0)).spawn(5)]
    swelling_rng, retina_rng, cyst_rng, shadow_rng, tone_rng = streams
    square = Square(scan.along_N, scan.across_W)
    swellings = draw_swellings(swelling_rng, square, fluids=planned.fluids)
    retina = draw_retina(retina_rng, square, fluids=planned.fluids, depth=scan.depth, swellings=swellings)
    sway_N = np.cumsum(shadow_rng.normal(0, planned.vendor.look.jitter, scan.shape[0]))
    sway_N = np.clip(sway_N - np.linspace(0, sway_N[-1], len(sway_N)), -25, 25)
    return Eye(
        square=square,
        retina=retina._replace(bruch_NW=retina.bruch_NW + sway_N[:, None].astype(np.float32)),
        cysts=draw_cysts(cyst_rng, retina, swellings) if "IRF" in planned.fluids else [],
        shadows=draw_shadows(shadow_rng, square, retina.fovea),
        tones=draw_tones(tone_rng, square, planned.vendor),
        gap_NW=_hyaloid(shadow_rng, square, retina.fovea),
        vessels_ZYX=draw_choroid(tone_rng),
    )


def _hyaloid(rng: np.random.Generator, square: Square, fovea: tuple[float, float]) -> Map:
    """Gap [N,W] in micrometres between retina and vitreous: 0 everywhere, or attached at the fovea only."""
    detached = rng.uniform() < 0.45
    gap_NW = rng.uniform(20, 90) * square.radius(fovea) ** 1.3 + 25 * smooth_field(rng, square, length=1.5)
    return (np.clip(gap_NW, 0, 400) * detached).astype(np.float32)


def _shows(drawn: DrawnVolume) -> bool:
    """Whether every planned fluid is there in a visible amount."""
    retina, spacing = drawn.eye.retina, drawn.scan.spacing
    area_mm3 = spacing[0] * spacing[2] / 1000
    cuts = [cut for n in range(drawn.scan.shape[0]) for cut in cysts_in_slice(drawn.eye.cysts, retina, n)]
    amounts = {"IRF": sum(2 * float(cut.half_W.sum()) for cut in cuts)}
    for layer in ("SRF", "PED"):
        amounts[layer] = float((retina.top(layer) - retina.bottom(layer)).sum())
    return all(amounts[fluid] * area_mm3 > _LEAST_MM3 for fluid in drawn.planned.fluids)


class _Edges:
    """White bands where a Spectralis B-scan was moved into place, as in Duke's; never over the retina."""

    def __init__(self, rng: np.random.Generator, drawn: DrawnVolume) -> None:
        self.drawn = drawn
        moved = drawn.planned.vendor.name == "Spectralis" and rng.uniform() < 0.6
        self.slope = float(rng.normal(0, 25)) if moved else 0.0
        self.shift_N = rng.normal(rng.normal(0, 30), 12, drawn.scan.shape[0]) if moved else None

    def whiten(self, shown_HW: Picture, n: int) -> None:
        if self.shift_N is None:
            return
        retina, scan = self.drawn.eye.retina, self.drawn.scan
        band_W = self.shift_N[n] + self.slope * scan.across_W
        depth_H1, bruch_W = scan.depth_H[:, None], retina.bruch_NW[n]
        shown_HW[depth_H1 < np.minimum(band_W, bruch_W - retina.top_LNW[-1, n] - 15)] = 1
        shown_HW[depth_H1 > np.maximum(scan.depth + band_W, bruch_W + 40)] = 1


def fluid_voxels(label_HW: NDArray[np.uint8]) -> dict[str, int]:
    """Voxels of each fluid."""
    counts = np.bincount(label_HW.ravel(), minlength=len(FLUIDS) + 1)
    return {fluid: int(counts[index + 1]) for index, fluid in enumerate(FLUIDS)}
