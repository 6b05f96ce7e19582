"""The end of a run: the best model's report on the validation photographs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from scripts.report import DiscReport
from shared.handlers.finish import FinishRun


class FinishDisc(FinishRun):
    """`FinishRun` with a `DiscReport`.

    Args:
        classes: ``["disc"]`` or ``["disc", "cup"]``.
        more: see `FinishRun`; ``report`` are further arguments of `DiscReport`.
    """

    labelled_by = "no validation photograph has a mask"

    def __init__(self, *, classes: Sequence[str], **more: Any) -> None:
        super().__init__(**more)
        self.classes = list(classes)

    def report(self) -> None:
        """The report on the validation photographs."""
        report = DiscReport(
            classes=self.classes,
            output_dir=self.output_dir,
            split="validation",
            provenance=self.provenance | {"note": "the epoch was chosen on these photographs: optimistic"},
            **self.report_arguments,
        )
        self.run_with(report.reset, report.collect)
        report.finish()
