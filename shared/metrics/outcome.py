"""One photograph's prediction beside its truth, as plain arrays: the one place that knows the engine's keys."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import torch

from shared.data.geometry import Geometry
from shared.errors import ConfigError
from shared.tasks import MISSING_GRADE, TaskList


class Outcome(NamedTuple):
    """Prediction and truth of one photograph.

    ``scores_SHW`` are probabilities, ``truth_SHW`` masks of the same size (``None`` where nothing was predicted or no
    truth is known); ``probabilities`` has ``[K]`` per grade task; ``grades_G`` is -1 where unknown; ``labelled_T`` is
    all False for a photograph without truth; ``image_3HW`` is the network's normalised input; ``gate_weights_TE`` is
    ``None`` for networks without experts; ``geometry`` is ``None`` where unknown.
    """

    name: str
    path: str
    leaks: bool
    labelled_T: npt.NDArray[np.bool_]
    grades_G: npt.NDArray[np.int64]
    probabilities: dict[str, npt.NDArray]
    scores_SHW: npt.NDArray | None
    truth_SHW: npt.NDArray | None
    gate_weights_TE: npt.NDArray | None
    image_3HW: npt.NDArray | None
    geometry: Geometry | None


def outcomes_of(engine: Any, tasks: TaskList) -> list[Outcome]:
    """The photographs of the engine's present batch, after its post-processing has decollated them.

    Raises:
        ConfigError: where batch or output is not a list with one dictionary per photograph.
    """
    outputs, batches = engine.state.output, engine.state.batch
    if not (isinstance(outputs, list) and isinstance(batches, list) and len(outputs) == len(batches)):
        raise ConfigError(
            f"the engine's output is a {type(outputs).__name__} and its batch a {type(batches).__name__}",
            expected="two lists with one dictionary per photograph",
            fix="set `decollate: true` in the evaluator, and attach this handler there, not to a trainer",
        )
    return [outcome_of(output, batch, tasks) for output, batch in zip(outputs, batches, strict=True)]


def outcome_of(output: Mapping[str, Any], batch: Mapping[str, Any], tasks: TaskList) -> Outcome:
    """One photograph's outcome from the dictionaries that MONAI's evaluator holds.

    Args:
        output: ``pred`` [S, H, W] and every grade task's [K] as probabilities, ``gate_weights`` [T, E]; each may be
            absent.
        batch: ``name``, ``path``, ``leaks``, ``labelled`` [T], ``grades`` [G], ``geometry`` [8], ``image`` [3, h, w],
            and as truth ``photograph_masks`` or ``masks`` [S, ...], whichever has the size of ``pred``.

    Raises:
        ConfigError: where masks are labelled but neither truth has the size of ``pred``.
    """
    scores_SHW = _array(output.get("pred")) if tasks.masks else None
    labelled = batch.get("labelled")
    labelled_T = np.zeros(len(tasks), bool) if labelled is None else _array(labelled).astype(bool)
    grades = batch.get("grades")
    grades_G = np.full(len(tasks.grades), MISSING_GRADE) if grades is None else _array(grades)
    geometry = batch.get("geometry")
    return Outcome(
        name=str(batch.get("name", "")),
        path=str(batch.get("path", batch.get("name", ""))),
        leaks=bool(batch.get("leaks", False)),
        labelled_T=labelled_T,
        grades_G=grades_G.astype(np.int64),
        probabilities={task.name: _array(output[task.name]) for task in tasks.grades if task.name in output},
        scores_SHW=scores_SHW,
        truth_SHW=_truth(scores_SHW, batch, needed=_needs_masks(labelled_T, tasks)),
        gate_weights_TE=None if output.get("gate_weights") is None else _array(output["gate_weights"]),
        image_3HW=None if batch.get("image") is None else _array(batch["image"]),
        geometry=None if geometry is None else Geometry.from_tensor(torch.as_tensor(geometry)),
    )


def _needs_masks(labelled_T: npt.NDArray[np.bool_], tasks: TaskList) -> bool:
    return any(labelled_T[tasks.index(task.name)] for task in tasks.masks)


def _truth(scores_SHW: npt.NDArray | None, batch: Mapping[str, Any], *, needed: bool) -> npt.NDArray | None:
    if scores_SHW is None or not needed:
        return None
    sizes = {}
    for key in ("photograph_masks", "masks"):
        if batch.get(key) is not None:
            masks = _array(batch[key])
            if masks.shape == scores_SHW.shape:
                return masks != 0
            sizes[key] = masks.shape
    raise ConfigError(
        f"photograph {batch.get('name')!r}: predicted masks have shape {scores_SHW.shape}, the truth {sizes or 'none'}",
        expected="`photograph_masks` or `masks` of the same shape as `pred`",
        fix="score on the canvas (no RestorePhotographd in post-processing), or load `photograph_masks` for scoring at "
        "the photograph's own size",
    )


def _array(value: Any) -> npt.NDArray:
    if isinstance(value, torch.Tensor):
        value = value.detach().cpu()
        return np.asarray(value.float() if value.dtype == torch.bfloat16 else value)
    return np.asarray(value)
