"""Every number of an evaluation, with its interval, from what was counted per photograph."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from shared.metrics import grading, overlap
from shared.metrics.bootstrap import interval, mean_of_defined, resample, resampled_average_precision, resampled_sum
from shared.metrics.histogram import (
    PrecisionRecall,
    ScoreHistogram,
    area_by_trapezoids,
    aupr,
    average_precision,
    predicted_above,
)
from shared.metrics.overlap import Overlap

Floats = npt.NDArray[np.float64]
OVERLAPS: dict[str, Callable[[Overlap], Floats]] = {
    "dice": overlap.dice,
    "iou": overlap.iou,
    "sensitivity": overlap.sensitivity,
    "precision": overlap.precision,
}
PER_PHOTOGRAPH = {"dice_per_photograph": overlap.dice, "iou_per_photograph": overlap.iou}
MASK_METRICS = (*OVERLAPS, "average_precision", "aupr_11", "aupr_33", *PER_PHOTOGRAPH)
GRADE_METRICS: dict[str, Callable[[npt.ArrayLike], Floats]] = {
    "accuracy": grading.accuracy,
    "balanced_accuracy": grading.balanced_accuracy,
    "macro_f1": grading.macro_f1,
    "kappa": grading.quadratic_kappa,
}
DEFINITIONS = {
    "dice": "pixels pooled over photographs: 2 hit / (2 hit + miss + false alarm); a photograph without the lesion "
    "counts with its false alarms; 1 where truth and prediction of the whole set are empty",
    "iou": "pooled pixels: hit / (hit + miss + false alarm)",
    "sensitivity": "pooled pixels: hit / (hit + miss); undefined where the truth is empty",
    "precision": "pooled pixels: hit / (hit + false alarm); undefined where nothing is predicted",
    "average_precision": "exact, pooled pixels, scores rounded to 1/65535: sum of (recall gained) x (precision)",
    "aupr_11": "pooled pixels, 11 thresholds 0..1, score > threshold, trapezoids over recall, precision 1 where "
    "nothing is predicted (as M2MRF and HRDecoder): several points above average_precision; compare only with the same",
    "aupr_33": "the same with 33 thresholds (as the IDRiD challenge)",
    "dice_per_photograph": "mean over photographs; an empty truth counts 1 if the prediction is empty too, else 0",
    "iou_per_photograph": "mean over photographs, empty ones as in dice_per_photograph",
    "threshold": "probability above which a pixel belongs to the mask",
    "accuracy": "share of photographs with the right grade",
    "balanced_accuracy": "macro recall: share of right ones of each class, mean over the classes that occur in truth",
    "macro_f1": "F1 of each class, mean over the classes that occur in truth or prediction",
    "joint_accuracy": "share of photographs, graded for all grade tasks, where all grades are right",
    "kappa": "Cohen's kappa with quadratic weights; undefined where all photographs have one grade and get it",
    "auroc": "one grade against the rest, unweighted mean over grades that some but not all photographs have",
    "interval": "95 % percentile bootstrap over photographs; pooled measures are re-pooled in every resample, "
    "undefined resamples are left out",
}


class Row(NamedTuple):
    """One number of the report; ``n`` photographs; ``low``..``high`` is NaN where there is no interval."""

    subset: str
    task: str
    metric: str
    value: float
    low: float
    high: float
    n: int


class MaskCounts(NamedTuple):
    """Histograms ``[N, L]`` and overlaps ``[N]`` at the threshold, of the photographs labelled for one mask task.

    ``photographs_N`` are their rows in the bootstrap's weights.
    """

    histogram_NL: ScoreHistogram
    overlap_N: Overlap
    photographs_N: npt.NDArray[np.int64]
    threshold: float


class GradeAnswers(NamedTuple):
    """Probabilities ``[N, K]`` and true grades of the photographs labelled for one grade task, with their rows."""

    probabilities_NK: Floats
    truth_N: npt.NDArray[np.int64]
    photographs_N: npt.NDArray[np.int64]

    def confusion(self) -> npt.NDArray[np.int64]:
        """True by predicted grade ``[K, K]``."""
        return grading.confusion_matrix(self.truth_N, self.probabilities_NK.argmax(1), self.probabilities_NK.shape[1])


def mask_rows(
    counts: Mapping[str, MaskCounts],
    *,
    subset: str,
    means: Mapping[str, Sequence[str]],
    photographs: int,
    samples: int,
    seed: int,
) -> list[Row]:
    """Rows of every mask task and of the means over tasks.

    Args:
        counts: by task name.
        subset: name of the set of photographs.
        means: name of the mean -> tasks averaged; tasks without a labelled photograph or undefined are left out.
        photographs: N, the photographs that are resampled together.
        samples: bootstrap resamples, 0 for none.
        seed: of the resamples.
    """
    weights_BN = resample(photographs, samples=samples, seed=seed)
    values: dict[str, dict[str, tuple[float, Floats]]] = {}
    rows = []
    for task, count in counts.items():
        n = len(count.photographs_N)
        if not n:
            continue
        values[task] = _mask_values(count, weights_BN[:, count.photographs_N])
        for metric, (value, resampled_B) in values[task].items():
            rows.append(Row(subset, task, metric, value, *interval(resampled_B), n))
        rows.append(Row(subset, task, "threshold", count.threshold, np.nan, np.nan, n))
    for name, tasks in means.items():
        known = [task for task in tasks if task in values]
        for metric in MASK_METRICS if known else ():
            value = float(mean_of_defined([values[task][metric][0] for task in known]))
            low, high = interval(mean_of_defined([values[task][metric][1] for task in known]))
            rows.append(Row(subset, name, metric, value, low, high, photographs))
    return rows


def _mask_values(counts: MaskCounts, weights_BN: Floats) -> dict[str, tuple[float, Floats]]:
    histogram_NL, each = counts.histogram_NL, counts.overlap_N
    pooled = histogram_NL.pooled()
    all_of_them = Overlap(*(np.asarray(part.sum()) for part in each))
    redrawn = Overlap(*(resampled_sum(weights_BN, part) for part in each))
    values = {name: (float(function(all_of_them)), function(redrawn)) for name, function in OVERLAPS.items()}
    values["average_precision"] = (
        float(average_precision(pooled)),
        resampled_average_precision(weights_BN, histogram_NL),
    )
    for thresholds in (11, 33):
        values[f"aupr_{thresholds}"] = (
            float(aupr(pooled, thresholds)),
            _resampled_aupr(weights_BN, histogram_NL, thresholds),
        )
    for name, function in PER_PHOTOGRAPH.items():
        value_N = function(each)
        values[name] = (float(value_N.mean()), resampled_mean(weights_BN, value_N))
    return values


def resampled_mean(weights_BN: Floats, values_N: npt.ArrayLike) -> Floats:
    """Mean of every resample ``[B]``; NaN where it drew none of these photographs."""
    drawn_B = weights_BN.sum(1)
    total_B = resampled_sum(weights_BN, np.asarray(values_N, np.float64))
    return np.divide(total_B, drawn_B, out=np.full(len(drawn_B), np.nan), where=drawn_B > 0)


def _resampled_aupr(weights_BN: Floats, histogram_NL: ScoreHistogram, count: int) -> Floats:
    thresholds = np.linspace(0, 1, count)
    inside, outside = (resampled_sum(weights_BN, part) for part in predicted_above(histogram_NL, thresholds))
    truth = resampled_sum(weights_BN, histogram_NL.positive.sum(-1))[:, None]
    predicted = inside + outside
    precision = np.divide(inside, predicted, out=np.ones_like(inside), where=predicted > 0)
    recall = np.divide(inside, truth, out=np.zeros_like(inside), where=truth > 0)
    return area_by_trapezoids(PrecisionRecall(precision, recall, thresholds), truth[:, 0] > 0)


def grade_rows(
    answers: Mapping[str, GradeAnswers], *, subset: str, photographs: int, samples: int, seed: int, ordered: bool = True
) -> list[Row]:
    """Accuracy, plain and macro, quadratic kappa and AUROC of every grade task; joint accuracy of two or more tasks.

    ``ordered`` is False where classes have no order: a quadratic kappa would mean nothing, and is left out.
    """
    metrics = {name: function for name, function in GRADE_METRICS.items() if ordered or name != "kappa"}
    weights_BN = resample(photographs, samples=samples, seed=seed)
    rows = []
    correct = np.ones(photographs, bool)
    graded = np.full(photographs, bool(answers))
    for task, answer in answers.items():
        probabilities_NK, truth_N, photographs_N = answer
        here = np.zeros(photographs, bool)
        here[photographs_N] = True
        graded &= here
        count = len(truth_N)
        if not count:
            continue
        classes = probabilities_NK.shape[1]
        predicted_N = probabilities_NK.argmax(1)
        correct[photographs_N] &= grading.joint_correct(truth_N[:, None], predicted_N[:, None])
        own_BN = weights_BN[:, photographs_N]
        cells_NC = np.eye(classes**2)[truth_N * classes + predicted_N]
        confusion_BKK = resampled_sum(own_BN, cells_NC).reshape(-1, classes, classes)
        for metric, function in metrics.items():
            value = float(function(answer.confusion()))
            rows.append(Row(subset, task, metric, value, *interval(function(confusion_BKK)), count))
        area = grading.auroc(probabilities_NK, truth_N)
        limits = interval(grading.resampled_auroc(probabilities_NK, truth_N, own_BN))
        rows.append(Row(subset, task, "auroc", area, *limits, count))
    if len(answers) > 1 and graded.any():
        joint_B = resampled_mean(weights_BN[:, graded], correct[graded])
        name = "+".join(answers)
        value = float(correct[graded].mean())
        rows.append(Row(subset, name, "joint_accuracy", value, *interval(joint_B), int(graded.sum())))
    return rows
