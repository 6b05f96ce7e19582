"""The end of a run on pets: the best epoch's figures on the validation images."""

from __future__ import annotations

import csv
import io
import math

from shared.files import write_text
from shared.handlers import FinishRun
from shared.report.files import write_json


class FinishPets(FinishRun):
    """`FinishRun` that writes the validation metrics of the best weights; arguments as of `FinishRun`."""

    labelled_by = "no validation image is labelled for the tasks"

    def report(self) -> None:
        """`metrics.json` and `metrics.csv`, and a line for each figure."""
        self.evaluator.run()
        figures = {name: value for name, value in self.evaluator.state.metrics.items() if math.isfinite(value)}
        note = "the epoch was chosen on these images: optimistic"
        write_json(self.output_dir / "metrics.json", self.provenance | {"split": "validation", "note": note} | figures)
        table = io.StringIO()
        csv.writer(table).writerows([["split", "metric", "value"], *(["validation", *row] for row in figures.items())])
        write_text(self.output_dir / "metrics.csv", table.getvalue())
        print(
            "\n" + "\n".join(f"{name:20s} {value:.4f}" for name, value in figures.items()) + f"\n({note})", flush=True
        )
