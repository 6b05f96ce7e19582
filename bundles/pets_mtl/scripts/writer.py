"""Inference on pets written to files: mask, overlay with head box and classes, JSON; one table for all."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from scripts.names import answers_text, class_name
from shared.draw.look import Photograph
from shared.draw.overlay import draw_overlay
from shared.handlers import PhotographWriter
from shared.metrics.outcome import Outcome
from shared.report.names import absolute
from shared.tasks import Task

EDGES = ("left", "top", "right", "bottom")
DECIMALS = 6


class PetWriter(PhotographWriter):
    """`PhotographWriter` for animals: what its JSON says of an image is, as far as the tasks go,

    ``photograph`` (absolute path), ``height``, ``width``; ``classes`` by task: ``class``, ``number`` (from 0),
    ``probability``, and ``probabilities`` of all classes; ``head_box`` in pixels of the original (left, top, right,
    bottom; pixel i covers i to i + 1); ``masks`` by task: ``area_px`` and ``share`` of the image.

    Args:
        tasks: the task list.
        more: of `PhotographWriter`.
    """

    def __init__(self, tasks: Sequence[Mapping[str, Any] | Task], **more: Any) -> None:
        self.phantom = bool((more.get("provenance") or {}).get("phantom"))
        super().__init__(tasks, **{"disc_task": None} | more)
        # The mask is read at 0.5, as published and as it was validated: nothing is chosen.
        self.not_chosen = []

    def describe(self, outcome: Outcome, masks: Mapping[str, npt.NDArray[np.bool_]]) -> dict[str, Any]:
        height, width = outcome.photo_size or (0, 0)
        findings: dict[str, Any] = {"photograph": absolute(outcome.path), "height": height, "width": width}
        findings["classes"] = {task: self._answer(task, values_K) for task, values_K in outcome.probabilities.items()}
        if outcome.box_4 is not None:
            findings["head_box"] = {
                edge: round(float(value), 1) for edge, value in zip(EDGES, outcome.box_4, strict=True)
            }
        findings["masks"] = {
            task: {"area_px": int(mask_HW.sum()), "share": round(float(mask_HW.mean()), DECIMALS)}
            for task, mask_HW in masks.items()
        }
        return findings

    def row(self, name: str, findings: Mapping[str, Any]) -> dict[str, Any]:
        row: dict[str, Any] = {key: findings[key] for key in ("photograph", "height", "width")}
        for task, answer in findings["classes"].items():
            row |= {task: answer["class"], f"{task}_probability": answer["probability"]}
        row |= {f"box_{edge}": value for edge, value in findings.get("head_box", {}).items()}
        for task, mask in findings["masks"].items():
            row |= {f"{task}_{key}": value for key, value in mask.items()}
        return {"name": name} | row

    def draw(
        self,
        photo_HW3: Photograph,
        masks: Mapping[str, npt.NDArray[np.bool_]],
        findings: Mapping[str, Any],
        path: Path,
    ) -> None:
        box = findings.get("head_box")
        lines = [Path(findings["photograph"]).name, self._words(findings)]
        if box is not None:
            edges = ", ".join(f"{edge} {value:g}" for edge, value in box.items())
            lines.append(f"head box (yellow), pixels: {edges}")
        draw_overlay(
            photo_HW3,
            masks,
            path,
            title="\n".join(line for line in lines if line),
            labels={task: f"{task}: {mask['share']:.1%} of the image" for task, mask in findings["masks"].items()},
            longest=self.longest,
            phantom=self.phantom,
            box_4=None if box is None else list(box.values()),
        )

    def _words(self, findings: Mapping[str, Any]) -> str:
        probabilities = {task: list(item["probabilities"].values()) for task, item in findings["classes"].items()}
        return answers_text(probabilities, phantom=self.phantom)

    def _answer(self, task: str, values_K: npt.NDArray) -> dict[str, Any]:
        best = int(np.argmax(values_K))
        return {
            "class": class_name(task, best, phantom=self.phantom),
            "number": best,
            "probability": round(float(values_K[best]), DECIMALS),
            "probabilities": {
                class_name(task, number, phantom=self.phantom): round(float(value), DECIMALS)
                for number, value in enumerate(values_K)
            },
        }
