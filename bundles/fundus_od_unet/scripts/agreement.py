"""How well two outlines of the same disc agree: overlap, distances of their edges, vertical cup-to-disc ratio."""

from __future__ import annotations

import warnings
from collections.abc import Mapping

import numpy as np
import torch
from monai.metrics import compute_average_surface_distance, compute_hausdorff_distance
from numpy.typing import NDArray

from scripts.entry import CUP, DISC
from scripts.rim import vertical_ratio
from shared.metrics.overlap import count_overlap, dice, iou
from shared.report.findings import find_disc

Mask = NDArray[np.bool_]
NAN = float("nan")
RATIO = "vertical_cup_to_disc"
DEFINITIONS = {
    "dice": "of each photograph at its own size, 2 hit / (truth + predicted), mean over photographs; 0 where one mask "
    "is empty, 1 where both are (a cup that neither outlines; a disc is never absent)",
    "iou": "the same with hit / (truth + predicted - hit)",
    "hd95_px": "the larger of the two directed 95th percentiles of the distances between the edges, pixels of the "
    "photograph's own size, mean over photographs; undefined and left out where a mask is empty: n says how many "
    "count, `found` how many discs were found at all",
    "hd95_dd": "the same in diameters of the true disc (of the circle of equal area), to compare photographs of "
    "different sizes",
    "assd_px": "average symmetric surface distance: mean distance of all edge pixels of both masks to the other's edge",
    "assd_dd": "the same in diameters of the true disc",
    "found": "share of photographs with a mask that is not empty",
    "error": "|predicted - true| vertical cup-to-disc ratio, the vertical extent of the cup over the disc's; a missing "
    "cup counts as ratio 0; undefined where a disc is empty",
    "bias": "the same, signed: predicted - true",
    "interval": "95 % percentile bootstrap over persons, all photographs of a person together, as far as names tell; "
    "none where fewer than two persons have a defined value",
    "readers": "one expert's masks against the other's, the second as truth: what agreement can be expected of a model",
}


def agreement(found: Mapping[str, Mask], truth: Mapping[str, Mask]) -> dict[tuple[str, str], float]:
    """Measures of one photograph by (class, measure), see `DEFINITIONS`.

    Args:
        found: [H,W] by class.
        truth: those that are known; classes that it lacks are not measured.
    """
    disc = find_disc(truth[DISC])
    diameter = disc.diameter_px if disc is not None else NAN
    values: dict[tuple[str, str], float] = {}
    for name in (name for name in found if name in truth):
        overlap = count_overlap(found[name], truth[name])
        hd95, assd = edge_distances(found[name], truth[name])
        values |= {
            (name, "dice"): float(dice(overlap)),
            (name, "iou"): float(iou(overlap)),
            (name, "hd95_px"): hd95,
            (name, "hd95_dd"): hd95 / diameter,
            (name, "assd_px"): assd,
            (name, "assd_dd"): assd / diameter,
            (name, "found"): float(found[name].any()),
        }
    if CUP in found and CUP in truth:
        bias = vertical_ratio(found[DISC], found[CUP]) - vertical_ratio(truth[DISC], truth[CUP])
        values |= {(RATIO, "error"): abs(bias), (RATIO, "bias"): bias}
    return values


def edge_distances(found_HW: Mask, truth_HW: Mask) -> tuple[float, float]:
    """95th percentile Hausdorff distance and average symmetric surface distance in pixels, by MONAI.

    NaN where a mask is empty.
    """
    either_HW = found_HW | truth_HW
    if not found_HW.any() or not truth_HW.any():
        return NAN, NAN
    rows, columns = np.flatnonzero(either_HW.any(1)), np.flatnonzero(either_HW.any(0))
    # Background around both: a mask that the picture's border cuts has its edge there.
    found, truth = (
        torch.from_numpy(np.pad(mask_HW[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1], 1))[None, None]
        for mask_HW in (found_HW, truth_HW)
    )
    with warnings.catch_warnings():
        # MONAI 1.6 calls a function of its own in a way that it deprecates.
        warnings.simplefilter("ignore", FutureWarning)
        hd95 = compute_hausdorff_distance(found, truth, include_background=True, percentile=95)
        assd = compute_average_surface_distance(found, truth, include_background=True, symmetric=True)
    return float(hd95), float(assd)
