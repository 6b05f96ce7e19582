"""What a training run leaves behind: the best model with its thresholds, a report on its validation set, curves."""

from __future__ import annotations

import functools
import json
import logging
import shutil
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import torch
from ignite.engine import Engine, Events

from shared.data.splits import SPLIT_FILE
from shared.engines.history import History
from shared.errors import TrainingError
from shared.files import atomic_write, check_writable
from shared.handlers.evaluation_report import EvaluationReport
from shared.handlers.load import load_weights, read_facts, read_tensors
from shared.metrics.histogram import best_threshold
from shared.report.files import write_json
from shared.tasks import Task, parse_tasks
from shared.workflow.processes import is_main_process

log = logging.getLogger(__name__)

LEAST_DICE = 0.05
THRESHOLDS_FILE = "thresholds.json"
FINISHED_FILE = "finished.json"
NEW_MODELS_DIR = "free space or make the folder writable, or publish the model elsewhere with --models_dir"


class FinishRun:
    """At the end of training, evaluates the best model on the validation set and says where everything is.

    Loads the best weights into the network, chooses each mask's threshold by pooled Dice on the validation photographs,
    writes the report at these thresholds, draws the curves, and copies model, provenance, split and thresholds
    to `models_dir`, where evaluation and inference look by default. A run that was stopped early does none of this.

    Args:
        tasks: the task list.
        network: the trained network.
        evaluator: the validation engine; its post-processing gives probabilities.
        history: of the run.
        output_dir: the run's folder, holding `model.pt`.
        models_dir: the bundle's `models` folder; None to publish nowhere.
        provenance: of the run; see `shared.workflow.provenance`.
        report: arguments of `EvaluationReport`, e.g. ``samples``.
    """

    def __init__(
        self,
        *,
        tasks: Iterable[Mapping[str, Any] | Task],
        network: torch.nn.Module,
        evaluator: Any,
        history: History,
        output_dir: str | Path,
        models_dir: str | Path | None,
        provenance: Mapping[str, Any],
        report: Mapping[str, Any] | None = None,
    ) -> None:
        self.tasks, self.network, self.evaluator, self.history = parse_tasks(tasks), network, evaluator, history
        self.output_dir = Path(output_dir)
        self.models_dir = Path(models_dir) if models_dir else None
        self.provenance, self.report_arguments = dict(provenance), dict(report or {})
        self.was_complete = False

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
                # The main process evaluates twice, and its metrics are summed over processes: take part in both.
                self.evaluator.run()
                self.evaluator.run()
            return
        if engine.should_terminate:
            where = f"epoch {engine.state.epoch}, iteration {engine.state.iteration}"
            print(f"\nstopped in {where}, saved; to go on, add --output_dir {self.output_dir}", flush=True)
            return
        model = self.output_dir / "model.pt"
        if self.history.best is None:
            raise TrainingError(
                "no epoch could be scored: no validation photograph is labelled for the tasks",
                expected="validation photographs with masks or grades, by which the best epoch is chosen",
                fix="raise --validation_fraction, or lower --val_interval if no validation was run",
            )
        load_weights(self.network, read_tensors(model), source=model)
        thresholds = self.choose_thresholds()
        self.evaluate(thresholds)
        curves = self.draw_curves()
        if self.models_dir is not None:
            publish(self.output_dir, self.models_dir)
        write_json(self.output_dir / FINISHED_FILE, {"epoch": engine.state.epoch})
        best = self.history.best or {}
        epoch = f"epoch {best['epoch']:.0f} of {engine.state.max_epochs}" if best else "no validation"
        print(
            f"\nbest model   {model}  ({epoch}, chosen by {self.history.key} on the validation photographs)"
            f"\npublished    {self.models_dir / 'model.pt' if self.models_dir else 'nowhere'}"
            f"\ncurves       {curves}"
            f"\npictures     {self.output_dir / 'figures'}"
            f"\nall figures  {self.output_dir / 'metrics.csv'}",
            flush=True,
        )

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


def publish(output_dir: Path, models_dir: Path) -> None:
    """Copy a run's model, its provenance, split and thresholds to the bundle's `models`, each in one step."""
    keep_previous(models_dir, ("model.json", SPLIT_FILE, THRESHOLDS_FILE, "model.pt"))
    if not (output_dir / SPLIT_FILE).is_file():
        # Another model's split must not stand beside this one.
        (models_dir / SPLIT_FILE).unlink(missing_ok=True)
    for name in ("model.json", SPLIT_FILE, THRESHOLDS_FILE, "model.pt"):
        if name == SPLIT_FILE and not (output_dir / name).is_file():
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
