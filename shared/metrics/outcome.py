"""One photograph's prediction beside its truth, as plain arrays: the one place that knows the engine's keys."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import torch

from shared.data.boxes import boxes_to_pixels
from shared.data.geometry import Geometry
from shared.errors import ConfigError
from shared.tasks import MISSING_GRADE, TaskList


class Outcome(NamedTuple):
    """Prediction and truth of one photograph.

    ``scores_SHW`` are probabilities, ``truth_SHW`` masks of the same size (``None`` where nothing was predicted or no
    truth is known); ``probabilities`` has ``[K]`` per grade task; ``grades_G`` is -1 where unknown; ``labelled_T`` is
    all False for a photograph without truth; ``image_3HW`` is the network's normalised input; ``gate_weights_TE`` is
    ``None`` for networks without experts; ``geometry`` is ``None`` where unknown. ``counted_SHW`` is false where a
    pixel is neither right nor wrong, ``None`` where all count. Boxes are (left, top, right, bottom) in pixels of the
    original photograph of ``photo_size`` (height, width), ``None`` where nothing was predicted or no truth is known.
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
    counted_SHW: npt.NDArray[np.bool_] | None = None
    box_4: npt.NDArray[np.float64] | None = None
    true_box_4: npt.NDArray[np.float64] | None = None
    photo_size: tuple[int, int] | None = None


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
        output: ``pred`` [S, H, W] and every grade task's [K] as probabilities, ``gate_weights`` [T, E], ``pred_box``
            [4] in pixels of the original; each may be absent.
        batch: ``name``, ``path``, ``leaks``, ``labelled`` [T], ``grades`` [G], ``geometry`` [8], ``image`` [3, h, w],
            ``photo_size`` [2], ``box`` [4] as shares where ``has_box``, and as truth ``photograph_masks`` or ``masks``
            [S, ...], whichever has the size of ``pred``, with ``photograph_counted`` or ``counted`` if some pixels do
            not count.

    Raises:
        ConfigError: where masks are labelled but neither truth has the size of ``pred``, or there is a box, but no
            ``photo_size``.
    """
    scores_SHW = _array(output.get("pred")) if tasks.masks else None
    labelled = batch.get("labelled")
    labelled_T = np.zeros(len(tasks), bool) if labelled is None else _array(labelled).astype(bool)
    grades = batch.get("grades")
    grades_G = np.full(len(tasks.grades), MISSING_GRADE) if grades is None else _array(grades)
    geometry, size = batch.get("geometry"), batch.get("photo_size")
    truth_SHW, counted_SHW = _truth(scores_SHW, batch, needed=_needs_masks(labelled_T, tasks))
    return Outcome(
        name=str(batch.get("name", "")),
        path=str(batch.get("path", batch.get("name", ""))),
        leaks=bool(batch.get("leaks", False)),
        labelled_T=labelled_T,
        grades_G=grades_G.astype(np.int64),
        probabilities={task.name: _array(output[task.name]) for task in tasks.grades if task.name in output},
        scores_SHW=scores_SHW,
        truth_SHW=truth_SHW,
        gate_weights_TE=None if output.get("gate_weights") is None else _array(output["gate_weights"]),
        image_3HW=None if batch.get("image") is None else _array(batch["image"]),
        geometry=None if geometry is None else Geometry.from_tensor(torch.as_tensor(geometry)),
        counted_SHW=counted_SHW,
        box_4=None if output.get("pred_box") is None else _array(output["pred_box"]).astype(np.float64),
        true_box_4=_true_box(batch) if bool(batch.get("has_box", False)) else None,
        photo_size=None if size is None else (int(size[0]), int(size[1])),
    )


def _needs_masks(labelled_T: npt.NDArray[np.bool_], tasks: TaskList) -> bool:
    return any(labelled_T[tasks.index(task.name)] for task in tasks.masks)


def _truth(
    scores_SHW: npt.NDArray | None, batch: Mapping[str, Any], *, needed: bool
) -> tuple[npt.NDArray | None, npt.NDArray | None]:
    if scores_SHW is None or not needed:
        return None, None
    sizes = {}
    for key, counted in (("photograph_masks", "photograph_counted"), ("masks", "counted")):
        if batch.get(key) is not None:
            masks = _array(batch[key])
            if masks.shape == scores_SHW.shape:
                return masks != 0, None if batch.get(counted) is None else _array(batch[counted]) != 0
            sizes[key] = masks.shape
    raise ConfigError(
        f"photograph {batch.get('name')!r}: predicted masks have shape {scores_SHW.shape}, the truth {sizes or 'none'}",
        expected="`photograph_masks` or `masks` of the same shape as `pred`",
        fix="score on the canvas (no RestorePhotographd in post-processing), or load `photograph_masks` for scoring at "
        "the photograph's own size",
    )


def _true_box(batch: Mapping[str, Any]) -> npt.NDArray[np.float64]:
    if batch.get("photo_size") is None:
        raise ConfigError(
            f"photograph {batch.get('name')!r}: a box, but no `photo_size`",
            expected="height and width of the original, in which boxes are counted",
            fix="let the loading transform give `photo_size`, and SelectItemsd keep it",
        )
    size_2 = torch.as_tensor(batch["photo_size"]).double().cpu()
    return np.asarray(boxes_to_pixels(torch.as_tensor(batch["box"]).double().cpu(), sizes_B2=size_2))


def _array(value: Any) -> npt.NDArray:
    if isinstance(value, torch.Tensor):
        value = value.detach().cpu()
        return np.asarray(value.float() if value.dtype == torch.bfloat16 else value)
    return np.asarray(value)
