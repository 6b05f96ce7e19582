"""The report of an evaluation on optic discs: measures with intervals, a row per data set, pictures."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from ignite.engine import Engine, Events

from scripts.data_sets import PHANTOM_SET, ReaderMasks
from scripts.report.output import write_discs
from scripts.report.rows import DiscRow, disc_rows
from scripts.report.scored import MODEL, Scored, score
from scripts.segmented import segment
from shared.errors import ConfigError, DataError
from shared.ranks import gather_ordered, is_main


class DiscReport:
    """Collect every photograph of an evaluation, then write and print the report.

    Everything is measured at the photograph's own size (of a stereo photograph: its left view), photograph by
    photograph, and averaged by data set (`scripts.agreement.DEFINITIONS`, written into ``metrics.json``). Where two
    experts have outlined a photograph, their agreement is reported beside the model's, and the model's with each.
    Photographs without a mask are left out.

    Writes into ``output_dir``: ``metrics.json``, ``metrics.csv``, ``data_sets.csv`` (one row per data set),
    ``per_photograph.csv``, ``per_reader.csv`` (where there are readers) and ``figures/``.

    Args:
        classes: ["disc"] or ["disc", "cup"].
        output_dir: folder, made where absent.
        split: name of the set, such as ``"test"``.
        readers: experts' mask files by photograph, see `scripts.data_sets.reader_masks`.
        keep_largest: score the largest component of what was found, as inference keeps it.
        samples: bootstrap resamples over persons; 0 for no intervals.
        seed: of the resamples.
        provenance: what the numbers belong to: ``dataset``, ``phantom`` (bool), ``checkpoint``, ``commit``, ...
        pictures: photographs drawn against their truth, spread from the worst to the best mean Dice; 0 for none.
        figures: False to draw nothing.
    """

    def __init__(
        self,
        *,
        classes: Sequence[str],
        output_dir: str | Path,
        split: str,
        readers: ReaderMasks | None = None,
        keep_largest: bool = True,
        samples: int = 1000,
        seed: int = 0,
        provenance: Mapping[str, Any] | None = None,
        pictures: int = 4,
        figures: bool = True,
    ) -> None:
        self.classes, self.output_dir, self.split = list(classes), Path(output_dir), split
        self.readers, self.keep_largest = dict(readers or {}), keep_largest
        self.samples, self.seed, self.provenance = samples, seed, dict(provenance or {})
        self.pictures, self.figures = pictures, figures
        self.reset()

    def reset(self, engine: Engine | None = None) -> None:
        """Forget everything collected."""
        self.scored: list[Scored] = []
        # Where among all photographs that came, those without a mask included, a scored one stood.
        self.places: list[int] = []
        self.came = 0
        self.rows: list[DiscRow] = []

    def attach(self, engine: Engine) -> None:
        """Collect from a MONAI evaluator that decollates its batch."""
        engine.add_event_handler(Events.STARTED, self.reset)
        engine.add_event_handler(Events.ITERATION_COMPLETED, self.collect)
        engine.add_event_handler(Events.COMPLETED, self.finish_together)

    def finish_together(self, engine: Engine) -> None:
        """Of several ranks, the main one writes the report on what all have collected."""
        self.scored = gather_ordered(zip(self.places, self.scored, strict=True))
        if is_main():
            self.finish(engine)

    def collect(self, engine: Engine) -> None:
        """Take in the engine's present batch.

        Raises:
            ConfigError: where batch or output is not a list with one dictionary per photograph.
        """
        state: Any = engine.state
        if not isinstance(state.output, list) or not isinstance(state.batch, list):
            raise ConfigError(
                f"the engine's output is a {type(state.output).__name__}, its batch a {type(state.batch).__name__}",
                expected="two lists with one dictionary per photograph",
                fix="set `decollate: true` in the evaluator, and attach this handler there, not to a trainer",
            )
        for output, batch in zip(state.output, state.batch, strict=True):
            self.add(output, batch)

    def add(self, output: Mapping[str, Any], batch: Mapping[str, Any]) -> None:
        """Take in one photograph: ``pred``, probabilities [K,H,W], and the batch with ``native_label`` [1,H,W]."""
        self.came += 1
        if "native_label" not in batch:
            return
        self.places.append(self.came)
        found = segment(torch.as_tensor(output["pred"]), self.classes, keep_largest=self.keep_largest)
        experts = self.readers.get(str(batch["path"]))
        picture = self.figures and self.pictures > 0
        phantom = bool(self.provenance.get("phantom"))
        own = {"data_set": PHANTOM_SET if phantom else str(batch.get("source", "")), "phantom": phantom}
        self.scored.append(score(own | dict(batch), found, classes=self.classes, readers=experts, picture=picture))

    def finish(self, engine: Engine | None = None) -> None:
        """Compute, write, draw and print; an engine's metrics get the model's numbers, for tracking.

        Raises:
            DataError: where no photograph with a mask came.
        """
        if not self.scored:
            raise DataError(
                f"split {self.split!r}: no photograph with a mask of its disc came",
                expected="photographs with masks",
                fix="evaluate another split with --split, or check `dataset_dir`",
            )
        self.rows = disc_rows(self.scored, samples=self.samples, seed=self.seed)
        if engine is not None:
            engine.state.metrics |= self.tracked()
        print(write_discs(self), flush=True)

    def tracked(self) -> dict[str, float]:
        """The model's numbers by name, such as ``dice_disc``; of further data sets ``refuge_dice_disc``."""
        first = self.scored[0].data_set
        return {
            f"{row.metric}_{row.task}" if row.subset == first else f"{row.subset}_{row.metric}_{row.task}": row.value
            for row in self.rows
            if row.prediction == MODEL and np.isfinite(row.value)
        }
