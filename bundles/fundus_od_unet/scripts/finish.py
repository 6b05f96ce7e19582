"""The end of a run: the best model's report on the validation photographs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from shared.handlers.finish import FinishRun
from shared.report.files import write_json


class FinishDisc(FinishRun):
    """`FinishRun` with Dice and IoU of disc and cup.

    Args:
        classes: ``["disc"]`` or ``["disc", "cup"]``.
        more: see `FinishRun`.
    """

    labelled_by = "no validation photograph has a mask"

    def __init__(self, *, classes: Sequence[str], **more: Any) -> None:
        super().__init__(**more)
        self.classes = list(classes)

    def report(self) -> None:
        """The report on the validation photographs."""
        self.evaluator.run()
        note = "the epoch was chosen on these photographs: optimistic"
        content = {"split": "validation", "metrics": dict(self.evaluator.state.metrics)}
        write_json(self.output_dir / "metrics.json", content | {"provenance": self.provenance | {"note": note}})
