"""Calibration of grades and masks as rows of a report, with intervals."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt

from shared.metrics import calibration
from shared.metrics.bootstrap import interval, resample, resampled_sum
from shared.metrics.calibration import BINS, Reliability
from shared.report.measures import GradeAnswers, MaskCounts, Row

Floats = npt.NDArray[np.float64]
DEFINITIONS = {
    "ece": f"expected calibration error, {BINS} bins of equal width over 0..1 (Guo et al. 2017): mean distance between "
    "confidence and share of right ones, weighted by the bins' sizes. Grades: probability of the most probable class; "
    "masks: probability of every pixel, pooled. Biased upwards on few photographs",
    "brier": "mean squared distance of the probabilities to the truth; grades: summed over classes (0..2); masks: "
    "(probability - truth)^2 over pixels (0..1)",
    "nll": "mean of -log of the probability of what is true, natural logarithm; probabilities below 1e-12 (grades) or "
    "half a level (masks) count as that",
}


def grade_calibration_rows(
    answers: Mapping[str, GradeAnswers], *, subset: str, photographs: int, samples: int, seed: int
) -> list[Row]:
    """Rows ``ece``, ``brier`` and ``nll`` of every grade task with a labelled photograph."""
    weights_BN = resample(photographs, samples=samples, seed=seed)
    rows = []
    for task, (probabilities_NK, truth_N, photographs_N) in answers.items():
        if len(truth_N):
            each = calibration.class_reliability(probabilities_NK, truth_N)
            brier_N = calibration.brier_N(probabilities_NK, truth_N)
            nll_N = calibration.negative_log_likelihood_N(probabilities_NK, truth_N)
            sums = (np.ones(len(truth_N)), brier_N, nll_N)
            rows += _rows(subset, task, each, sums, weights_BN[:, photographs_N])
    return rows


def mask_calibration_rows(
    counts: Mapping[str, MaskCounts], *, subset: str, photographs: int, samples: int, seed: int
) -> list[Row]:
    """Rows ``ece``, ``brier`` and ``nll`` of every mask task with a labelled photograph, pixels pooled."""
    weights_BN = resample(photographs, samples=samples, seed=seed)
    rows = []
    for task, count in counts.items():
        if len(count.photographs_N):
            each, sums = calibration.pixel_reliability(count.histogram_NL), calibration.pixel_scores(count.histogram_NL)
            rows += _rows(subset, task, each, sums, weights_BN[:, count.photographs_N])
    return rows


def reliabilities(answers: Mapping[str, GradeAnswers], counts: Mapping[str, MaskCounts]) -> dict[str, Reliability]:
    """Pooled over photographs, by task."""
    grades = {
        task: calibration.class_reliability(answer.probabilities_NK, answer.truth_N).pooled()
        for task, answer in answers.items()
        if len(answer.truth_N)
    }
    masks = {
        task: calibration.pixel_reliability(count.histogram_NL).pooled()
        for task, count in counts.items()
        if len(count.photographs_N)
    }
    return grades | masks


def _rows(
    subset: str, task: str, each: Reliability, sums: tuple[Floats, Floats, Floats], weights_BN: Floats
) -> list[Row]:
    """From sums per photograph: reliability, and number, Brier and likelihood of its samples."""
    number, *scores = (np.asarray(part, np.float64) for part in sums)
    error = calibration.expected_calibration_error
    limits = interval(error(each.pooled(weights_BN)))
    rows = [Row(subset, task, "ece", float(error(each.pooled())), *limits, len(number))]
    drawn_B = resampled_sum(weights_BN, number)
    for metric, score in zip(("brier", "nll"), scores, strict=True):
        value_B = np.divide(
            resampled_sum(weights_BN, score), drawn_B, out=np.full(len(drawn_B), np.nan), where=drawn_B > 0
        )
        rows.append(Row(subset, task, metric, float(score.sum() / number.sum()), *interval(value_B), len(number)))
    return rows
