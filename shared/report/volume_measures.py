"""Every number of an evaluation on volumes, with its interval, from what was counted per volume."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from shared.metrics import volumes
from shared.metrics.bootstrap import interval, mean_of_defined, resample
from shared.metrics.volumes import Measured

Floats = npt.NDArray[np.float64]
ALL, MEAN = "all", "mean"
WITH_FLUID = "volumes_with_fluid"
NONE: Floats = np.zeros(0)


class VolumeCounts(NamedTuple):
    """What is kept of one volume and one prediction.

    ``confusion_KK`` voxels by true and predicted class at the volume's own size; ``score_F`` the largest mean
    probability of each fluid in one B-scan; ``near_RF2`` true and predicted voxels of each fluid within each circle
    around the fovea (`shared.report.fovea`), ``None`` where it is not known; ``voxel_mm3`` ``None`` where the voxel
    size is nominal or unknown.
    """

    name: str
    vendor: str
    patient: str
    voxel_mm3: float | None
    confusion_KK: npt.NDArray[np.int64]
    score_F: Floats
    near_RF2: npt.NDArray[np.int64] | None = None


class VolumeRow(NamedTuple):
    """One number; ``n`` volumes for which it is defined; ``low``..``high`` is NaN where there is no interval."""

    task: str
    metric: str
    value: float
    low: float
    high: float
    n: int
    subset: str
    prediction: str


def volume_rows(
    counts: Sequence[VolumeCounts],
    *,
    classes: Sequence[str],
    subset: str,
    prediction: str,
    samples: int,
    seed: int,
    diameters_mm: Sequence[float] = (),
) -> list[VolumeRow]:
    """Rows of every fluid, and of the mean over fluids.

    Args:
        counts: N volumes.
        classes: names of classes 1..F.
        subset, prediction: names for the rows.
        samples: bootstrap resamples over patients, 0 for none.
        seed: of the resamples.
        diameters_mm: R, of the circles in ``near_RF2``.
    """
    patients = [item.patient for item in counts]
    weights_BN = patient_weights(patients, samples=samples, seed=seed)
    voxel_N = np.array([np.nan if item.voxel_mm3 is None else item.voxel_mm3 for item in counts], np.float64)
    confusion_NKK = np.stack([item.confusion_KK for item in counts])
    score_NF = np.stack([item.score_F for item in counts])
    found: dict[str, dict[str, tuple[float, Floats, int]]] = {}
    for position, fluid in enumerate(classes):
        own = volumes.measured(confusion_NKK, score_NF, position + 1)
        found[fluid] = _measures(own, voxel_N, weights_BN, patients)
        for circle, diameter in enumerate(diameters_mm):
            near_N = [item.near_RF2 for item in counts]
            difference_N = np.array(
                [np.nan if near is None else abs(int(near[circle, position, 1] - near[circle, position, 0]))
                 for near in near_N], np.float64
            ) * voxel_N  # fmt: skip
            found[fluid][near_metric(diameter)] = _mean(difference_N, weights_BN, patients)
    rows = [
        VolumeRow(fluid, metric, value, *interval(resampled_B), n, subset, prediction)
        for fluid, values in found.items()
        for metric, (value, resampled_B, n) in values.items()
        if n
    ]
    averaged = [metric for metric in dict.fromkeys(row.metric for row in rows) if metric != WITH_FLUID]
    for metric in averaged if len(classes) > 1 else ():
        known = [values[metric] for values in found.values() if not np.isnan(values[metric][0])]
        if known:
            value = float(mean_of_defined([value for value, _, _ in known]))
            parts = [resampled_B for _, resampled_B, _ in known]
            low, high = interval(mean_of_defined(parts) if all(map(len, parts)) else NONE)
            rows.append(VolumeRow(MEAN, metric, value, low, high, len(counts), subset, prediction))
    return rows


def near_metric(diameter_mm: float) -> str:
    """Name of the measure within a circle around the fovea."""
    return f"volume_difference_within_{diameter_mm:g}mm_mm3"


def patient_weights(patients: Sequence[str], *, samples: int, seed: int) -> Floats:
    """How often each volume counts in each resample ``[B, N]``: patients are drawn, with all their volumes."""
    names, owner_N = np.unique(np.asarray(patients), return_inverse=True)
    return resample(len(names), samples=samples, seed=seed)[:, owner_N]


def subsets(vendors: Sequence[str]) -> Mapping[str, npt.NDArray[np.bool_]]:
    """Which volumes ``[N]`` belong to each reported set: all, and each vendor where there are several."""
    vendor_N = np.asarray(vendors)
    names = list(dict.fromkeys(vendors))
    everything = {ALL: np.ones(len(vendor_N), bool)}
    return everything | ({name: vendor_N == name for name in names} if len(names) > 1 else {})


def _measures(
    own: Measured, voxel_N: Floats, weights_BN: Floats, patients: Sequence[str]
) -> dict[str, tuple[float, Floats, int]]:
    known_N = ~np.isnan(voxel_N)
    voxels_N = np.where(known_N, np.nan, 1.0)
    pooled, auc = float(volumes.dice_pooled(own)), float(volumes.detection_auc(own))
    some_N, has_N = own.truth + own.predicted > 0, own.truth > 0
    may_pool = _several(some_N, patients)
    may_detect = _several(has_N, patients) and _several(~has_N, patients)
    return {
        "dice": _mean(volumes.dice(own), weights_BN, patients),
        "iou": _mean(volumes.iou(own), weights_BN, patients),
        "dice_pooled": (
            pooled,
            volumes.dice_pooled(own, weights_BN) if may_pool else NONE,
            len(voxel_N) if pooled == pooled else 0,
        ),
        "volume_difference_mm3": _mean(volumes.volume_difference(own, voxel_N), weights_BN, patients),
        "volume_difference_voxels": _mean(volumes.volume_difference(own, voxels_N), weights_BN, patients),
        "detection_auc": (
            auc,
            volumes.detection_auc(own, weights_BN) if may_detect else NONE,
            len(voxel_N) if auc == auc else 0,
        ),
        WITH_FLUID: (float(np.count_nonzero(has_N)), NONE, len(voxel_N)),
    }


def _mean(values_N: Floats, weights_BN: Floats, patients: Sequence[str]) -> tuple[float, Floats, int]:
    known_N = ~np.isnan(values_N)
    resampled_B = volumes.mean_over(values_N, weights_BN) if _several(known_N, patients) else NONE
    return float(volumes.mean_over(values_N)), resampled_B, int(np.count_nonzero(known_N))


def _several(chosen_N: npt.NDArray[np.bool_], patients: Sequence[str]) -> bool:
    """Whether more than one patient is among the chosen: the spread over one says nothing."""
    return len({patient for patient, chosen in zip(patients, chosen_N, strict=True) if chosen}) > 1
