"""Handlers that keep a run's split, its history and its best model."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from ignite.engine import Engine, Events

from shared.data.splits import SPLIT_FILE, check_unseen, save_split
from shared.engines.history import History
from shared.files import save_tensors
from shared.report.files import write_json
from shared.workflow.processes import is_main_process

log = logging.getLogger(__name__)


class RecordSplit:
    """Writes which photographs a run trains, validates and tests on as `split.json`, when training starts.

    A run that goes on from a checkpoint must not validate on photographs that were trained on before it.

    Args:
        datalist: items by part.
        output_dir: the run's folder.
        resume: as of `RunCheckpoint`.
        about: the keys that made the split, by name.

    Raises:
        DataError: when training starts, if the run to go on from was trained on validation photographs.
    """

    def __init__(
        self,
        *,
        datalist: Mapping[str, Sequence[Mapping[str, Any]]],
        output_dir: str | Path,
        resume: str = "never",
        about: Mapping[str, Any] | None = None,
    ) -> None:
        self.datalist, self.path, self.about = datalist, Path(output_dir) / SPLIT_FILE, dict(about or {})
        checkpoint = {"auto": self.path.with_name("checkpoint.pt"), "never": None}.get(resume, Path(resume))
        self.earlier = checkpoint if checkpoint is not None and checkpoint.is_file() else None

    def attach(self, engine: Engine) -> None:
        """Write at the start."""
        engine.add_event_handler(Events.STARTED, self.record)

    def record(self, engine: Engine | None = None) -> None:
        """Check and write now; one process of several does."""
        if not is_main_process():
            return
        if self.earlier is not None:
            check_unseen(self.datalist, split="validation", split_file=self.earlier.with_name(SPLIT_FILE))
        save_split(self.datalist, self.path, about=self.about)


class RecordHistory:
    """Adds every iteration's loss terms and every epoch's validation metrics to the history, and writes it.

    Args:
        history: the record.
        path: JSON file, rewritten after every epoch.
        evaluator: the validation engine, run before this handler's epoch event (put `ValidationHandler` first).
    """

    def __init__(self, *, history: History, path: str | Path, evaluator: Engine | None = None) -> None:
        self.history, self.path, self.evaluator = history, Path(path), evaluator
        self.learning_rate = 0.0
        self.validated_at = -1

    def attach(self, engine: Engine) -> None:
        """Follow a trainer with `optimizer`, `loss_function.last_terms` and perhaps its `learned_weights` by task."""
        engine.add_event_handler(Events.ITERATION_COMPLETED, self.add_iteration)
        engine.add_event_handler(Events.EPOCH_COMPLETED, self.add_epoch)
        if self.evaluator is not None:
            self.evaluator.add_event_handler(Events.COMPLETED, self.note_validation, engine)

    def note_validation(self, evaluator: Engine, trainer: Engine) -> None:
        """Remember after which epoch the validation ran."""
        self.validated_at = trainer.state.epoch

    def add_iteration(self, engine: Any) -> None:
        """Add the loss terms of this iteration."""
        # The largest group's rate is the head's; the scheduler has moved on by the end of the epoch.
        self.learning_rate = max(group["lr"] for group in engine.optimizer.param_groups)
        self.history.add_terms({name: term.item() for name, term in engine.loss_function.last_terms.items()})

    def add_epoch(self, engine: Any) -> None:
        """Close the epoch's row."""
        fresh = self.evaluator is not None and self.validated_at == engine.state.epoch
        metrics = self.evaluator.state.metrics if fresh and self.evaluator is not None else {}
        learned = getattr(engine.loss_function, "learned_weights", {})
        figures = metrics | {f"weight_{task}": weight for task, weight in learned.items()}
        row = self.history.end_epoch(engine.state.epoch, learning_rate=self.learning_rate, metrics=figures)
        if not is_main_process():
            return
        write_json(self.path, self.history.rows)
        shown = {name: value for name, value in row.items() if name not in ("epoch", "learning_rate")}
        text = "  ".join(f"{name} {value:.3f}" for name, value in shown.items())
        log.info("epoch %d/%d  %s", engine.state.epoch, engine.state.max_epochs, text)


class SaveBestModel:
    """Writes the network's weights after each epoch that is the best so far, as a plain state dict.

    Args:
        network: whose weights are kept.
        history: says which epoch is best (put `RecordHistory` first).
        path: the weights file; beside it goes a `.json` of the same name that says where the weights come from.
        provenance: JSON content for that file; epoch and score are added.
        settings: `shared.workflow.model_settings`, for that file too: without them the weights mean something else.
        companions: file name -> further network whose weights are kept beside it from the same epoch, such as
            ``{"student.pt": ..., "teacher.pt": ...}`` where `network` is one of the two.
    """

    def __init__(
        self,
        *,
        network: torch.nn.Module,
        history: History,
        path: str | Path,
        provenance: Mapping[str, Any] | None = None,
        settings: Mapping[str, Any] | None = None,
        companions: Mapping[str, torch.nn.Module] | None = None,
    ) -> None:
        self.network, self.history, self.path = network, history, Path(path)
        self.companions = dict(companions or {})
        self.provenance = dict(provenance or {}) | ({"settings": dict(settings)} if settings else {})

    def attach(self, engine: Engine) -> None:
        """Save after validation."""
        engine.add_event_handler(Events.EPOCH_COMPLETED, self.save)

    def save(self, engine: Engine) -> None:
        """Save if this epoch is the best."""
        best = self.history.best
        if best is None or best["epoch"] != engine.state.epoch or not is_main_process():
            return
        for name, network in (*self.companions.items(), (self.path.name, self.network)):
            weights = {key: value.detach().cpu().contiguous() for key, value in network.state_dict().items()}
            save_tensors(self.path.with_name(name), weights)
        record = {"epoch": engine.state.epoch, "selected_by": self.history.key, "score": best[self.history.key]}
        write_json(self.path.with_suffix(".json"), self.provenance | record)
