"""The end of a run on pets: the report on its validation images."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from scripts.report import PetReport
from shared.handlers import FinishRun
from shared.tasks import Task, parse_tasks


class FinishPets(FinishRun):
    """`FinishRun` with a `PetReport`, of masks on the network's canvas (evaluation scores at the original size).

    Args:
        tasks: the task list.
        border: how the truth counts the trimap's border.
        more: see `FinishRun`; ``report`` are further arguments of `PetReport`.
    """

    labelled_by = "no validation image is labelled for the tasks"

    def __init__(self, *, tasks: Iterable[Mapping[str, Any] | Task], border: str, **more: Any) -> None:
        super().__init__(**more)
        self.tasks, self.border = parse_tasks(tasks), border

    def report(self) -> None:
        """The report on the validation images."""
        note = "the epoch was chosen on these images: optimistic; masks at the network's size"
        report = PetReport(
            self.tasks,
            output_dir=self.output_dir,
            split="validation",
            border=self.border,
            provenance=self.provenance | {"note": note},
            **self.report_arguments,
        )
        self.run_with(report.reset, report.collect)
        report.finish()
