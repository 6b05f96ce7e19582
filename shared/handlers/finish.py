"""What a training run leaves behind: the best model, a report on its validation set, curves."""

from __future__ import annotations

import functools
import json
import logging
import shutil
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

import torch
from ignite.engine import Engine, Events

from shared.data.splits import SPLIT_FILE
from shared.engines.history import History
from shared.errors import TrainingError
from shared.files import atomic_write, check_writable
from shared.handlers.load import load_weights, read_facts, read_tensors
from shared.report.files import write_json
from shared.workflow.processes import is_main_process

log = logging.getLogger(__name__)

FINISHED_FILE = "finished.json"
NEW_MODELS_DIR = "free space or make the folder writable, or publish the model elsewhere with --models_dir"


class FinishRun:
    """At the end of training, evaluates the best model on the validation set and says where everything is.

    Loads the best weights, has the report written (`report`, of a subclass), draws the curves, and copies what
    `published` names to `models_dir`, where evaluation and inference look by default. A run that was stopped early does
    none of this.

    Args:
        network: the trained network.
        evaluator: the validation engine; its post-processing gives probabilities.
        history: of the run.
        output_dir: the run's folder, holding `model.pt`.
        models_dir: the bundle's `models` folder; None to publish nowhere.
        provenance: of the run; see `shared.workflow.provenance`.
        report: arguments of the report, e.g. ``samples``.
    """

    # The model is copied last: what stands beside it is its own.
    published: ClassVar[tuple[str, ...]] = ("model.json", SPLIT_FILE, "model.pt")
    # How often `report` runs the evaluator.
    evaluations: ClassVar[int] = 1
    labelled_by = "no validation image has a label"

    def __init__(
        self,
        *,
        network: torch.nn.Module,
        evaluator: Any,
        history: History,
        output_dir: str | Path,
        models_dir: str | Path | None,
        provenance: Mapping[str, Any],
        report: Mapping[str, Any] | None = None,
    ) -> None:
        self.network, self.evaluator, self.history = network, evaluator, history
        self.output_dir = Path(output_dir)
        self.models_dir = Path(models_dir) if models_dir else None
        self.provenance, self.report_arguments = dict(provenance), dict(report or {})
        self.was_complete = False

    def report(self) -> None:
        """Evaluate the best weights on the validation set and write the report."""
        raise NotImplementedError

    def load_best(self) -> None:
        """Load the best epoch's weights into the network."""
        model = self.output_dir / "model.pt"
        load_weights(self.network, read_tensors(model), source=model)

    def attach(self, engine: Engine) -> None:
        """Finish when training is complete."""
        engine.add_event_handler(Events.STARTED, self.start)
        engine.add_event_handler(Events.COMPLETED, self.finish)

    def start(self, engine: Engine) -> None:
        """Find out whether all is done already (put `RunCheckpoint` first), else whether the model can be published.

        Raises:
            DataError: `models_dir` cannot be written.
        """
        done = engine.state.iteration > 0 and engine.state.epoch >= (engine.state.max_epochs or 0)
        marker = self.output_dir / FINISHED_FILE
        self.was_complete = (
            done and marker.is_file() and json.loads(marker.read_text()).get("epoch") == engine.state.epoch
        )
        if self.models_dir is not None and not self.was_complete and is_main_process():
            check_writable(self.models_dir, fix=NEW_MODELS_DIR)

    def finish(self, engine: Engine) -> None:
        """Evaluate, write, draw, publish, print; or say how to go on with a run that was stopped or is complete."""
        if self.was_complete:
            if is_main_process():
                print(
                    f"\nalready complete: {engine.state.epoch} epochs in {self.output_dir}; nothing was changed or "
                    f"published.\nTo train longer, raise --max_epochs; for a new run, leave out --output_dir or give "
                    f"another.",
                    flush=True,
                )
            return
        if not is_main_process():
            if not engine.should_terminate:
                # The main process evaluates, and its metrics are summed over processes: take part.
                for _ in range(self.evaluations):
                    self.evaluator.run()
            return
        if engine.should_terminate:
            where = f"epoch {engine.state.epoch}, iteration {engine.state.iteration}"
            print(f"\nstopped in {where}, saved; to go on, add --output_dir {self.output_dir}", flush=True)
            return
        best = self.history.best
        if best is None:
            raise TrainingError(
                f"no epoch could be scored: {self.labelled_by}",
                expected="labelled validation images, by which the best epoch is chosen",
                fix="give validation more images (--validation_fraction, or --fractions where the bundle has that "
                "key), or lower --val_interval if no validation was run",
            )
        self.load_best()
        self.report()
        curves = self.draw_curves()
        if self.models_dir is not None:
            publish(self.output_dir, self.models_dir, names=self.published)
        write_json(self.output_dir / FINISHED_FILE, {"epoch": engine.state.epoch})
        chosen = f"epoch {best['epoch']:.0f} of {engine.state.max_epochs}, chosen by {self.history.key} on validation"
        print(
            f"\nbest model   {self.output_dir / 'model.pt'}  ({chosen})"
            f"\npublished    {self.models_dir / 'model.pt' if self.models_dir else 'nowhere'}"
            f"\ncurves       {curves}"
            f"\npictures     {self.output_dir / 'figures'}"
            f"\nall figures  {self.output_dir / 'metrics.csv'}",
            flush=True,
        )

    def run_with(self, reset: Any, collect: Any) -> None:
        """Run the evaluator once for a collector."""
        reset()
        with self.evaluator.add_event_handler(Events.ITERATION_COMPLETED, collect):
            self.evaluator.run()

    def draw_curves(self) -> Path:
        """The curves of the run."""
        from shared.draw.curves import draw_training_curves

        path = self.output_dir / "figures" / "curves.png"
        phantom = bool(self.provenance.get("phantom"))
        return draw_training_curves(self.history.rows, path, title=f"{self.output_dir.name}", phantom=phantom)


def publish(output_dir: Path, models_dir: Path, *, names: Sequence[str]) -> None:
    """Copy a run's model and what belongs to it to the bundle's `models`, each in one step.

    Args:
        names: of the files, in this order; one that the run has not is removed there: it was another model's.
    """
    keep_previous(models_dir, names)
    for name in names:
        if not (output_dir / name).is_file():
            (models_dir / name).unlink(missing_ok=True)
            continue
        with (output_dir / name).open("rb") as source:
            atomic_write(models_dir / name, functools.partial(shutil.copyfileobj, source), fix=NEW_MODELS_DIR)


def keep_previous(models_dir: Path, names: Iterable[str]) -> None:
    """Copy the published files to `previous/` beside them, and log what is about to be replaced."""
    if not (models_dir / "model.pt").is_file():
        return
    previous = models_dir / "previous"
    for name in names:
        if (models_dir / name).is_file():
            with (models_dir / name).open("rb") as source:
                atomic_write(previous / name, functools.partial(shutil.copyfileobj, source), fix=NEW_MODELS_DIR)
        else:
            (previous / name).unlink(missing_ok=True)
    facts = read_facts(models_dir / "model.pt")
    about = ", ".join(
        f"{key} {facts[key]}" for key in ("date", "dataset", "backbone", "epoch", "score") if key in facts
    )
    log.info("replacing the published model (%s); it is kept in %s", about or "of unknown origin", previous)
