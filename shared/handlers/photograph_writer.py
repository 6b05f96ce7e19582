"""Inference written to files: masks, overlay and JSON per photograph, one table for all."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from ignite.engine import Engine

from shared.data.photograph import read_photograph
from shared.draw.look import Photograph
from shared.draw.overlay import draw_overlay
from shared.errors import ConfigError
from shared.handlers.output_writer import OutputWriter, write_mask
from shared.metrics.outcome import Outcome, outcomes_of
from shared.report.photograph import describe_photograph, grades_text, legend_text, summary_row
from shared.tasks import Task, TaskList, parse_tasks


class PhotographWriter(OutputWriter):
    """Write what was found in each photograph; masks lie at the size of ``pred``, the photograph's own.

    Below ``output_dir``, beside what `OutputWriter` writes: ``masks/NAME_TASK.png`` (1-bit), ``overlays/NAME.jpg``. A
    subclass may describe (`describe`, `row`) and draw (`draw`) something else.

    Args:
        tasks: the task list.
        output_dir: folder, made where absent.
        thresholds: probability per mask task above which a pixel belongs to the mask; 0.5 where not given.
        disc_task: the mask task that is the optic disc, described by centre and diameter; ``None`` or a name that is no
            task: none is.
        provenance: what made the files: ``checkpoint``, ``commit``, ``phantom`` (bool: trained on phantoms), ...
        longest: longer side of the overlay in pixels.
        refused: (path, reason) of pictures that were not read; see `shared.data.listing.find_photographs`.
    """

    folders = "masks, overlays, json"

    def __init__(
        self,
        tasks: Sequence[Mapping[str, Any] | Task],
        *,
        output_dir: str | Path,
        thresholds: Mapping[str, float] | None = None,
        disc_task: str | None = "OD",
        provenance: Mapping[str, Any] | None = None,
        longest: int = 1600,
        refused: Iterable[tuple[str | Path, str]] = (),
    ) -> None:
        self.tasks: TaskList = parse_tasks(tasks)
        self.thresholds = {task.name: float((thresholds or {}).get(task.name, 0.5)) for task in self.tasks.masks}
        self.not_chosen = [name for name in self.thresholds if name not in (thresholds or {})]
        self.disc_task, self.longest = disc_task, longest
        super().__init__(output_dir=output_dir, provenance=provenance, refused=refused)

    def collect(self, engine: Engine) -> None:
        for outcome in outcomes_of(engine, self.tasks):
            self(outcome)

    def row(self, name: str, findings: Mapping[str, Any]) -> dict[str, Any]:
        return summary_row(name, findings)

    def remarks(self) -> list[list[Any]]:
        return [["threshold 0.5", f"{', '.join(self.not_chosen)}: none was chosen"]] if self.not_chosen else []

    def describe(self, outcome: Outcome, masks: Mapping[str, npt.NDArray[np.bool_]]) -> dict[str, Any]:
        """What the photograph's JSON says of it."""
        return describe_photograph(outcome, masks, tasks=self.tasks, disc_task=self.disc_task)

    def draw(
        self,
        photo_HW3: Photograph,
        masks: Mapping[str, npt.NDArray[np.bool_]],
        findings: Mapping[str, Any],
        path: Path,
    ) -> None:
        """Write the overlay."""
        draw_overlay(
            photo_HW3,
            masks,
            path,
            title=f"{Path(findings['photograph']).name}\n{grades_text(findings)}".strip(),
            labels={task: legend_text(task, findings) for task in masks},
            longest=self.longest,
            phantom=bool(self.provenance.get("phantom")),
        )

    def __call__(self, outcome: Outcome) -> dict[str, Any]:
        """Write one photograph's files; returns the content of its JSON."""
        name = self.names.name_for(outcome.path, stem=Path(outcome.path).stem)
        photo_HW3 = read_photograph(outcome.path).pixels_HW3
        masks = {}
        if outcome.scores_SHW is not None:
            self._check_size(outcome, photo_HW3.shape[:2])
            for position, task in enumerate(self.tasks.masks):
                masks[task.name] = outcome.scores_SHW[position] > self.thresholds[task.name]
                write_mask(masks[task.name], self.output_dir / "masks" / f"{name}_{task.name}.png")
        findings = self.describe(outcome, masks)
        findings |= {"thresholds": self.thresholds, "thresholds_not_chosen": self.not_chosen}
        findings["provenance"] = self.provenance
        self.draw(photo_HW3, masks, findings, self.output_dir / "overlays" / f"{name}.jpg")
        files = {f"mask_{task}": f"masks/{name}_{task}.png" for task in masks} | {"overlay": f"overlays/{name}.jpg"}
        titles = {task.name: task.title for task in self.tasks.masks}
        findings["files"] = files | self.write_segmentation(name, outcome.path, masks, titles=titles)
        self.complete(name, findings)
        return findings

    def _check_size(self, outcome: Outcome, size: tuple[int, ...]) -> None:
        assert outcome.scores_SHW is not None
        if outcome.scores_SHW.shape[1:] != size:
            raise ConfigError(
                f"{outcome.path}: predicted masks are {outcome.scores_SHW.shape[1:]}, the photograph {size}",
                expected="`pred` at the photograph's own size",
                fix="put `shared.transforms.RestorePhotographd` into the post-processing",
            )
