"""Everything found in one photograph: as JSON, as a line of a table, as words."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from shared.metrics.outcome import Outcome
from shared.report.findings import find_disc, find_lesions, retina_area
from shared.report.names import absolute
from shared.tasks import TaskList


def describe_photograph(
    outcome: Outcome, masks: Mapping[str, npt.NDArray[np.bool_]], *, tasks: TaskList, disc_task: str | None
) -> dict[str, Any]:
    """Findings in plain types.

    Args:
        outcome: of the photograph.
        masks: [H, W] at the photograph's own size, by mask task.
        tasks: names of the gates' rows.
        disc_task: the mask that is the optic disc; the others are lesions.

    Returns:
        ``photograph`` (absolute path), ``height``, ``width``, ``grades`` (grade and every class's probability),
        ``lesions`` (count, area in pixels, share of the retina), ``retina_px``, ``optic_disc`` (centre and diameter in
        pixels, all ``None`` where absent; only with that mask task), ``experts`` (gate weight by expert that ran).
    """
    size = outcome.geometry.photo_size if outcome.geometry else (0, 0)
    for mask_HW in masks.values():
        size = (mask_HW.shape[0], mask_HW.shape[1])
    retina_px = retina_area(outcome.geometry, size)
    lesions = {task: find_lesions(mask_HW, retina_px=retina_px) for task, mask_HW in masks.items() if task != disc_task}
    findings: dict[str, Any] = {
        "photograph": absolute(outcome.path),
        "height": size[0],
        "width": size[1],
        "grades": {
            task: {"grade": int(np.argmax(values_K)), "probabilities": [round(float(value), 6) for value in values_K]}
            for task, values_K in outcome.probabilities.items()
        },
        "lesions": {
            task: {"count": found.number, "area_px": found.area_px, "retina_share": found.retina_share}
            for task, found in lesions.items()
        },
        "retina_px": round(retina_px),
    }
    if disc_task is not None and disc_task in masks:
        disc = find_disc(masks[disc_task])
        fields = ("centre_x", "centre_y", "diameter_px")
        values = [None] * 3 if disc is None else [round(value, 1) for value in disc]
        findings["optic_disc"] = dict(zip(fields, values, strict=True))
    if outcome.gate_weights_TE is not None:
        findings["experts"] = {
            task: {str(expert): round(float(weights_E[expert]), 4) for expert in np.flatnonzero(weights_E)}
            for task, weights_E in zip(tasks.names, outcome.gate_weights_TE, strict=True)
        }
    return findings


def summary_row(name: str, findings: Mapping[str, Any]) -> dict[str, Any]:
    """One line of ``summary.csv`` from the content of a photograph's JSON."""
    row: dict[str, Any] = {"name": name, "photograph": findings["photograph"]}
    for task, grade in findings["grades"].items():
        row[task] = grade["grade"]
        row |= {f"{task}_p{index}": value for index, value in enumerate(grade["probabilities"])}
    for task, lesion in findings["lesions"].items():
        row |= {f"{task}_{key}": value for key, value in lesion.items()}
    row |= {f"disc_{key}": value for key, value in findings.get("optic_disc", {}).items()}
    row |= {f"{task}_experts": " ".join(weights) for task, weights in findings.get("experts", {}).items()}
    return row


def grades_text(findings: Mapping[str, Any]) -> str:
    """Such as ``RG 2 (61%)   MER 1 (55%)``."""
    return "   ".join(
        f"{task} {grade['grade']} ({grade['probabilities'][grade['grade']]:.0%})"
        for task, grade in findings["grades"].items()
    )


def legend_text(task: str, findings: Mapping[str, Any]) -> str:
    """A mask's entry in the overlay's legend, such as ``MA: 12 (0.05% of retina)``."""
    lesion = findings["lesions"].get(task)
    if lesion is not None:
        return f"{task}: {lesion['count']} ({lesion['retina_share']:.2%} of retina)"
    return f"{task}: {'not found' if findings['optic_disc']['diameter_px'] is None else 'found'}"
