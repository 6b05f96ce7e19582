"""Agreement of predicted grades with the truth."""

from __future__ import annotations

import warnings

import numpy as np
import numpy.typing as npt

from shared.metrics.bootstrap import mean_of_defined

Floats = npt.NDArray[np.float64]


def confusion_matrix(truth_N: npt.ArrayLike, predicted_N: npt.ArrayLike, num_classes: int) -> npt.NDArray[np.int64]:
    """Photographs by true (row) and predicted (column) grade, ``[K, K]``. Grades are 0..K-1."""
    pairs = np.asarray(truth_N, np.int64) * num_classes + np.asarray(predicted_N, np.int64)
    return np.bincount(pairs, minlength=num_classes**2).reshape(num_classes, num_classes)


def accuracy(confusion: npt.ArrayLike) -> Floats:
    """Share of photographs on the diagonal of ``[..., K, K]``; NaN without photographs."""
    confusion = np.asarray(confusion, np.float64)
    return _ratio(np.trace(confusion, axis1=-2, axis2=-1), confusion.sum((-2, -1)))


def balanced_accuracy(confusion: npt.ArrayLike) -> Floats:
    """Macro recall: the share of right ones of each class, mean over the classes that ``[..., K, K]`` has in truth.

    NaN without photographs. The same as scikit-learn's `balanced_accuracy_score`.
    """
    confusion = np.asarray(confusion, np.float64)
    return mean_of_defined(_ratio(np.diagonal(confusion, axis1=-2, axis2=-1), confusion.sum(-1)), axis=-1)


def macro_f1(confusion: npt.ArrayLike) -> Floats:
    """F1 of each class, mean over the classes that ``[..., K, K]`` has in truth or prediction; NaN without photographs.

    The same as scikit-learn's `f1_score(average="macro")`.
    """
    confusion = np.asarray(confusion, np.float64)
    hits = np.diagonal(confusion, axis1=-2, axis2=-1)
    return mean_of_defined(_ratio(2 * hits, confusion.sum(-1) + confusion.sum(-2)), axis=-1)


def quadratic_kappa(confusion: npt.ArrayLike) -> Floats:
    """Cohen's kappa with quadratic weights (i - j)^2, from ``[..., K, K]``.

    1 = full agreement, 0 = what the two distributions of grades give by chance, negative = worse. NaN where truth and
    prediction are constant and the same grade (0/0), and without photographs.
    """
    confusion = np.asarray(confusion, np.float64)
    grade = np.arange(confusion.shape[-1])
    weights = np.square(grade[:, None] - grade[None, :])
    total = confusion.sum((-2, -1))
    expected = (weights * confusion.sum(-1)[..., :, None] * confusion.sum(-2)[..., None, :]).sum((-2, -1))
    return 1 - _ratio((weights * confusion).sum((-2, -1)) * total, expected)


def joint_correct(truth_NG: npt.ArrayLike, predicted_NG: npt.ArrayLike) -> npt.NDArray[np.bool_]:
    """Per photograph ``[N]``, whether every one of its grades is right; its mean is the joint accuracy."""
    return (np.asarray(truth_NG) == np.asarray(predicted_NG)).all(-1)


def auroc(probabilities_NK: npt.ArrayLike, truth_N: npt.ArrayLike) -> float:
    """Area under the ROC curve, one grade against the rest, unweighted mean over grades (MONAI's `compute_roc_auc`).

    A grade that no photograph has, or that all have, has no curve and is left out of the mean; NaN if none is left.
    So on a set without, say, RG 1 this is a mean over four grades: compare only on the same photographs.
    """
    import torch
    from monai.metrics import compute_roc_auc

    probabilities_NK, truth_N = np.asarray(probabilities_NK), np.asarray(truth_N, np.int64)
    if not len(truth_N):
        return float("nan")
    one_hot_NK = np.eye(probabilities_NK.shape[1], dtype=np.int64)[truth_N]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        areas = compute_roc_auc(torch.as_tensor(probabilities_NK), torch.as_tensor(one_hot_NK), average="none")
    return float(mean_of_defined(areas))


def resampled_auroc(probabilities_NK: npt.ArrayLike, truth_N: npt.ArrayLike, weights_BN: npt.ArrayLike) -> Floats:
    """`auroc` of B resamples ``[B]``, photograph n counted ``weights_BN[b, n]`` times."""
    probabilities_NK, truth_N = np.asarray(probabilities_NK, np.float64), np.asarray(truth_N)
    weights_BN = np.asarray(weights_BN, np.float64)
    areas_KB = []
    for grade in range(probabilities_NK.shape[1]):
        own, other = truth_N == grade, truth_N != grade
        difference = probabilities_NK[own, grade][:, None] - probabilities_NK[other, grade][None, :]
        wins = (difference > 0) + 0.5 * (difference == 0)
        pairs_B = weights_BN[:, own].sum(1) * weights_BN[:, other].sum(1)
        areas_KB.append(_ratio(((weights_BN[:, own] @ wins) * weights_BN[:, other]).sum(1), pairs_B))
    return mean_of_defined(areas_KB)


def _ratio(numerator: npt.ArrayLike, denominator: npt.ArrayLike) -> Floats:
    numerator, denominator = np.asarray(numerator, np.float64), np.asarray(denominator, np.float64)
    return np.divide(numerator, denominator, out=np.full_like(denominator, np.nan), where=denominator > 0)
