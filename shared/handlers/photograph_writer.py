"""Inference written to files: masks, overlay and JSON per photograph, one table for all."""

from __future__ import annotations

import json
import time
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from ignite.engine import Engine, Events

from shared.data.photograph import read_photograph
from shared.draw.overlay import draw_overlay
from shared.errors import ConfigError
from shared.files import atomic_write
from shared.metrics.outcome import Outcome, outcomes_of
from shared.report.files import write_csv, write_json
from shared.report.names import OutputNames
from shared.report.photograph import describe_photograph, grades_text, legend_text, summary_row
from shared.report.table import format_table
from shared.tasks import Task, TaskList, parse_tasks

SUMMARY_EVERY = 20


class PhotographWriter:
    """Write what was found in each photograph; masks lie at the size of ``pred``, the photograph's own.

    Below ``output_dir``: ``masks/NAME_TASK.png`` (1-bit), ``overlays/NAME.jpg``, ``json/NAME.json`` (written last: a
    photograph that has it is complete), ``summary.csv`` (one line per photograph, also those of earlier runs into the
    same folder), ``refused.csv``. NAME is the file's stem; where another photograph already has it, the stem with
    eight digits that depend on the path, so a repeated run writes to the same names.

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
        self.output_dir = Path(output_dir)
        self.thresholds = {task.name: float((thresholds or {}).get(task.name, 0.5)) for task in self.tasks.masks}
        self.not_chosen = [name for name in self.thresholds if name not in (thresholds or {})]
        self.disc_task, self.longest = disc_task, longest
        self.provenance = dict(provenance or {})
        self.refused: list[tuple[str, str]] = []
        self.refuse(refused)
        self.written: list[str] = []
        self._rows: dict[str, dict[str, Any]] = {}
        self.names = OutputNames()
        self._started = time.monotonic()
        for file in sorted((self.output_dir / "json").glob("*.json")):
            self._remember(file.stem, json.loads(file.read_text(encoding="utf-8")))

    def attach(self, engine: Engine) -> None:
        """Write each batch of a MONAI evaluator that decollates it; close at the end, also after an exception."""
        engine.add_event_handler(Events.STARTED, self.start)
        engine.add_event_handler(Events.ITERATION_COMPLETED, self.collect)
        engine.add_event_handler(Events.COMPLETED, self.close)
        engine.add_event_handler(Events.EXCEPTION_RAISED, self._save_and_raise)

    def start(self, engine: Engine | None = None) -> None:
        self._started = time.monotonic()
        self.written = []

    def collect(self, engine: Engine) -> None:
        for outcome in outcomes_of(engine, self.tasks):
            self(outcome)

    def is_done(self, path: str | Path) -> bool:
        """Whether the photograph was completed by this or an earlier run into the folder."""
        return self.names.knows(path)

    def refuse(self, refused: Iterable[tuple[str | Path, str]]) -> None:
        """Note photographs that were not read, each with the reason."""
        self.refused += [(str(path), reason) for path, reason in refused]

    def __call__(self, outcome: Outcome) -> dict[str, Any]:
        """Write one photograph's files; returns the content of its JSON."""
        name = self.names.name_for(outcome.path, stem=Path(outcome.path).stem)
        photo_HW3 = read_photograph(outcome.path).pixels_HW3
        masks = {}
        if outcome.scores_SHW is not None:
            self._check_size(outcome, photo_HW3.shape[:2])
            for position, task in enumerate(self.tasks.masks):
                masks[task.name] = outcome.scores_SHW[position] > self.thresholds[task.name]
                self._write_mask(masks[task.name], self.output_dir / "masks" / f"{name}_{task.name}.png")
        findings = describe_photograph(outcome, masks, tasks=self.tasks, disc_task=self.disc_task)
        findings |= {"thresholds": self.thresholds, "thresholds_not_chosen": self.not_chosen}
        findings["provenance"] = self.provenance
        draw_overlay(
            photo_HW3,
            masks,
            self.output_dir / "overlays" / f"{name}.jpg",
            title=f"{Path(outcome.path).name}\n{grades_text(findings)}".strip(),
            labels={task: legend_text(task, findings) for task in masks},
            longest=self.longest,
            phantom=bool(self.provenance.get("phantom")),
        )
        files = {f"mask_{task}": f"masks/{name}_{task}.png" for task in masks} | {"overlay": f"overlays/{name}.jpg"}
        findings["files"] = files
        write_json(self.output_dir / "json" / f"{name}.json", findings)
        self._remember(name, json.loads((self.output_dir / "json" / f"{name}.json").read_text(encoding="utf-8")))
        self.written.append(name)
        if len(self.written) % SUMMARY_EVERY == 0:
            self.write_summary()
        return findings

    def write_summary(self) -> None:
        """Rewrite ``summary.csv``."""
        rows = [self._rows[name] for name in sorted(self._rows)]
        write_csv(self.output_dir / "summary.csv", rows, list(dict.fromkeys(key for row in rows for key in row)))

    def close(self, engine: Engine | None = None) -> None:
        """Write the tables and print what was done; an engine's metrics get the counts, for tracking."""
        if self._rows:
            self.write_summary()
        refused = [{"photograph": path, "reason": reason} for path, reason in self.refused]
        write_csv(self.output_dir / "refused.csv", refused, ["photograph", "reason"])
        seconds = time.monotonic() - self._started
        each = f"{seconds / len(self.written):.2f} s" if self.written else "-"
        if engine is not None:
            engine.state.metrics |= {"photographs_read": len(self.written), "photographs_refused": len(self.refused)}
            if self.written:
                engine.state.metrics["seconds_per_photograph"] = seconds / len(self.written)
        rows: list[list[Any]] = [
            *([["threshold 0.5", f"{', '.join(self.not_chosen)}: none was chosen"]] if self.not_chosen else []),
            ["photographs read", len(self.written)],
            ["refused", f"{len(self.refused)}" + (f" (reasons: {self.output_dir}/refused.csv)" if refused else "")],
            ["time per photograph", each],
            ["table", f"{self.output_dir}/summary.csv"],
            ["files", f"{self.output_dir}/masks, overlays, json"],
        ]
        print(format_table(["inference", ""], rows), flush=True)

    def _save_and_raise(self, engine: Engine, error: BaseException) -> None:
        if self._rows:
            self.write_summary()
        raise error

    def _remember(self, name: str, findings: Mapping[str, Any]) -> None:
        self.names.remember(name, findings["photograph"])
        self._rows[name] = summary_row(name, findings)

    def _check_size(self, outcome: Outcome, size: tuple[int, ...]) -> None:
        assert outcome.scores_SHW is not None
        if outcome.scores_SHW.shape[1:] != size:
            raise ConfigError(
                f"{outcome.path}: predicted masks are {outcome.scores_SHW.shape[1:]}, the photograph {size}",
                expected="`pred` at the photograph's own size",
                fix="put `shared.transforms.RestorePhotographd` into the post-processing",
            )

    def _write_mask(self, mask_HW: Any, path: Path) -> None:
        from PIL import Image

        picture = Image.fromarray(np.ascontiguousarray(mask_HW))
        atomic_write(path, lambda file: picture.save(file, format="PNG"))
