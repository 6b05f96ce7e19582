"""Which experts served which photographs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]


class ExpertUse(NamedTuple):
    """Per task and expert ``[T, E]``: share of photographs that used it, and its mean gate weight over them all.

    ``count_T`` photographs were evaluated for the task; NaN rows where none was.
    """

    share_TE: Floats
    weight_TE: Floats
    count_T: npt.NDArray[np.int64]


def expert_use(weights_NTE: npt.NDArray, evaluated_NT: npt.NDArray[np.bool_]) -> ExpertUse:
    """Summarise gate weights.

    Args:
        weights_NTE: gate weights, exactly 0 where an expert did not run.
        evaluated_NT: which (photograph, task) pairs count; those without any expert never do.
    """
    used_NTE = weights_NTE > 0
    counted_NT = evaluated_NT & used_NTE.any(-1)
    count_T = counted_NT.sum(0)
    share_TE, weight_TE = (
        np.divide(
            (values * counted_NT[..., None]).sum(0),
            count_T[:, None],
            out=np.full(values.shape[1:], np.nan),
            where=count_T[:, None] > 0,
        )
        for values in (used_NTE.astype(np.float64), np.asarray(weights_NTE, np.float64))
    )
    return ExpertUse(share_TE, weight_TE, count_T)


def expert_rows(use: ExpertUse, tasks: Sequence[str]) -> list[dict[str, Any]]:
    """One row per task and expert, for ``expert_use.csv``."""
    return [
        {
            "task": task,
            "expert": expert,
            "share_of_photographs": use.share_TE[row, expert],
            "mean_weight": use.weight_TE[row, expert],
            "mean_experts_per_photograph": use.share_TE[row].sum(),
            "photographs": int(use.count_T[row]),
        }
        for row, task in enumerate(tasks)
        for expert in range(use.share_TE.shape[1])
    ]
