"""Weights of an ensemble, fitted while an evaluator goes through the validation volumes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from ignite.engine import Engine, Events

from shared.errors import ConfigError
from shared.metrics.bscan_outcome import bscan_outcomes
from shared.ranks import gather_to_main, is_main
from shared.report.ensemble_weights import WEIGHTS_FILE, Choice, WeightSearch, nothing_to_choose_by
from shared.report.files import write_json
from shared.report.table import format_table

CHOSEN = "highest mean Dice (over fluids, over volumes) at the network's size, on split"


class FitEnsembleWeights:
    """Tries all weights of a grid on every labelled B-scan, at the network's size, and keeps the best.

    The evaluator gives every member's probabilities by name (`StudentTeacher` or `SideBySide`, then
    `ClassProbabilitiesd`) and the batch ``label`` of the same size. Writes `ensemble.json` into ``output_dir``.
    Choose on validation volumes: on a test set the choice would make the result optimistic.

    Args:
        classes: names of classes 1..K-1.
        output_dir: folder.
        split: name of the set, for the file.
        steps: weights are multiples of 1 / ``steps``.
        provenance: what the numbers belong to.
    """

    def __init__(
        self,
        *,
        classes: Sequence[str],
        output_dir: str | Path,
        split: str = "validation",
        steps: int = 10,
        provenance: Mapping[str, Any] | None = None,
    ) -> None:
        self.classes, self.output_dir, self.split, self.steps = list(classes), Path(output_dir), split, steps
        self.provenance = dict(provenance or {})
        self.search: WeightSearch | None = None
        self.choice: Choice | None = None

    def attach(self, engine: Engine) -> None:
        """Collect from a MONAI evaluator that decollates its batch."""
        engine.add_event_handler(Events.STARTED, self.reset)
        engine.add_event_handler(Events.ITERATION_COMPLETED, self.collect)
        engine.add_event_handler(Events.COMPLETED, self.finish_together)

    def finish_together(self, engine: Engine) -> None:
        """Of several ranks, the main one chooses by what all have counted."""
        parts = [search for search in gather_to_main(self.search) if search is not None]
        if not is_main():
            return
        self.search = parts[0] if parts else None
        for other in parts[1:]:
            parts[0].counts |= other.counts
        self.finish(engine)

    def reset(self, engine: Engine | None = None) -> None:
        """Forget everything collected."""
        self.search, self.choice = None, None

    def collect(self, engine: Engine) -> None:
        """Count the engine's present batch.

        Raises:
            ConfigError: a single prediction, or labels of another size than the predictions.
        """
        batches: Any = engine.state.batch
        for outcome, batch in zip(bscan_outcomes(engine, with_truth=False), batches, strict=True):
            if self.search is None:
                members, num_classes = list(outcome.predictions), len(self.classes) + 1
                self.search = WeightSearch(members, num_classes=num_classes, steps=self.steps)
            if not bool(batch.get("labelled", False)):
                continue
            label_1hw = torch.as_tensor(batch["label"])
            sizes = {tuple(maps_Khw.shape[1:]) for maps_Khw in outcome.predictions.values()}
            if sizes != {tuple(label_1hw.shape[1:])}:
                raise ConfigError(
                    f"predictions have sizes {sorted(sizes)}, the label {tuple(label_1hw.shape[1:])}",
                    expected="all at the network's size",
                    fix="leave `label` and predictions at the network's size in post-processing",
                )
            self.search.add(outcome.volume, outcome.predictions, label_1hw[0])

    def finish(self, engine: Engine | None = None) -> None:
        """Choose, write and print.

        Raises:
            DataError: there was nothing to choose by.
        """
        if self.search is None:
            raise nothing_to_choose_by(0)
        search, self.choice = self.search, self.search.choose()
        content = {
            "weights": self.choice.weights,
            "mean_dice": self.choice.score,
            "mean_dice_equal_weights": self.choice.equal,
            "mean_dice_members": self.choice.members,
            "chosen": f"{CHOSEN} {self.split!r}, weights in steps of 1/{self.steps}",
            "volumes": len(search.counts),
            "provenance": self.provenance,
        }
        file = write_json(self.output_dir / WEIGHTS_FILE, content)
        rows = [[name, self.choice.weights[name], score] for name, score in self.choice.members.items()]
        rows += [["equal weights", None, self.choice.equal], ["these weights", None, self.choice.score]]
        title = f"Ensemble: weights fitted on split {self.split!r}"
        print(format_table(["member", "weight", "mean Dice"], rows, title=title) + f"\n\nWeights: {file}", flush=True)
