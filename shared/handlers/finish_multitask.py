"""The end of a multi-task run: thresholds chosen on validation, and the report at these."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, ClassVar

from shared.data.splits import SPLIT_FILE
from shared.handlers.evaluation_report import EvaluationReport
from shared.handlers.finish import FinishRun
from shared.metrics.histogram import best_threshold
from shared.report.files import write_json
from shared.tasks import Task, parse_tasks

log = logging.getLogger(__name__)

LEAST_DICE = 0.05
THRESHOLDS_FILE = "thresholds.json"


class FinishMultiTask(FinishRun):
    """`FinishRun` that chooses each mask's threshold by pooled Dice on the validation photographs.

    Args:
        tasks: the task list.
        more: see `FinishRun`; ``report`` are arguments of `EvaluationReport`.
    """

    published: ClassVar[tuple[str, ...]] = ("model.json", SPLIT_FILE, THRESHOLDS_FILE, "model.pt")
    evaluations: ClassVar[int] = 2
    labelled_by = "no validation photograph is labelled for the tasks"

    def __init__(self, *, tasks: Iterable[Mapping[str, Any] | Task], **more: Any) -> None:
        super().__init__(**more)
        self.tasks = parse_tasks(tasks)

    def report(self) -> None:
        """Thresholds, then the report at these."""
        self.evaluate(self.choose_thresholds())

    def choose_thresholds(self) -> dict[str, float]:
        """Thresholds of the highest pooled Dice on validation, written to `thresholds.json`."""
        report = EvaluationReport(self.tasks, output_dir=self.output_dir, split="validation", figures=False)
        self.run_with(report.reset, report.collect)
        thresholds = {
            name: best_threshold(histogram, least=LEAST_DICE) for name, histogram in report.pooled_histograms().items()
        }
        content = {"thresholds": thresholds, "chosen": "highest pooled Dice on the validation photographs"}
        write_json(self.output_dir / THRESHOLDS_FILE, content)
        return thresholds

    def evaluate(self, thresholds: Mapping[str, float]) -> None:
        """The report at these thresholds."""
        report = EvaluationReport(
            self.tasks,
            output_dir=self.output_dir,
            split="validation",
            thresholds=thresholds,
            provenance=self.provenance | {"note": "epoch and thresholds were chosen on these photographs: optimistic"},
            **self.report_arguments,
        )
        self.run_with(report.reset, report.collect)
        report.finish()


def read_thresholds(path: str | Path) -> dict[str, float]:
    """Thresholds that training left beside the weights.

    Args:
        path: the weights file or `thresholds.json` itself.

    Returns:
        mask task name -> probability; empty (0.5 for all) where there is no such file.
    """
    file = Path(path)
    file = file if file.name == THRESHOLDS_FILE else file.with_name(THRESHOLDS_FILE)
    if not file.is_file():
        log.warning("no %s beside %s: a pixel belongs to a mask from probability 0.5", THRESHOLDS_FILE, path)
        return {}
    return dict(json.loads(file.read_text())["thresholds"])
