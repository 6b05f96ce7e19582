"""Checkpoints that resume exactly and survive a full disk."""

from __future__ import annotations

import functools
import logging
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from ignite.engine import Engine, Events

from shared.errors import CheckpointError
from shared.files import atomic_write, save_tensors
from shared.handlers.load import load_weights, read_tensors
from shared.workflow.processes import is_main_process

log = logging.getLogger(__name__)


class RunCheckpoint:
    """Saves all state of a run after every epoch and when it is stopped, and continues from there.

    Written atomically: a crash or a full disk leaves the last good checkpoint. Holds tensors and primitives only.

    Args:
        path: the checkpoint file.
        objects: name -> object with `state_dict` and `load_state_dict` (network, optimizer, scheduler, history).
        resume: "auto" continues from `path` if it exists, "never" starts afresh, anything else is a file to start from.
        interval: save every so many epochs (and at the end, and when stopped).
        best_files: what `SaveBestModel` writes, model.pt last; they come along where a run goes on from another folder.

    Raises:
        CheckpointError: at the start, for a checkpoint of another architecture, an unreadable file, or one that lies
            without the best model of its run.
    """

    def __init__(
        self,
        *,
        path: str | Path,
        objects: Mapping[str, Any],
        resume: str = "auto",
        interval: int = 1,
        best_files: Sequence[str] = ("model.json", "model.pt"),
    ) -> None:
        self.path, self.objects, self.interval = Path(path), dict(objects), interval
        self.best_files = list(best_files)
        self.source = {"auto": self.path, "never": None}.get(resume, Path(resume))
        self.required = resume not in ("auto", "never")

    def attach(self, engine: Engine) -> None:
        """Load at the start, save after every `interval` epochs, at the end, and when the run is stopped."""
        engine.add_event_handler(Events.STARTED, self.load)
        engine.add_event_handler(Events.EPOCH_COMPLETED(every=self.interval), self.save)
        engine.add_event_handler(Events.TERMINATE, self.save_within_epoch)

    def save(self, engine: Any) -> None:
        """Write everything, with the engine's position; one process of several does."""
        if not is_main_process():
            return
        scaler = getattr(engine, "scaler", None)
        state = {
            "scaler": scaler.state_dict() if scaler is not None else {},
            "iteration": engine.state.iteration,
            "epoch_length": engine.state.epoch_length,
            "objects": {name: item.state_dict() for name, item in self.objects.items()},
        }
        save_tensors(self.path, state)

    def save_within_epoch(self, engine: Any) -> None:
        """Write where a run was stopped, unless that is between an epoch's last iteration and its end."""
        if engine.state.iteration % engine.state.epoch_length:
            self.save(engine)

    def load(self, engine: Any) -> None:
        """Continue from the checkpoint, if there is one to continue from."""
        if self.source is None or not (self.source.is_file() or self.required):
            return
        state = read_tensors(self.source)
        if missing := sorted(set(self.objects) - set(state.get("objects", {}))):
            raise CheckpointError(
                f"{self.source} has no state of {', '.join(missing)}",
                expected="a checkpoint.pt written by a training run",
                fix="give its checkpoint.pt as --resume (model.pt holds weights only), or --resume never",
            )
        for name, item in self.objects.items():
            if isinstance(item, torch.nn.Module):
                load_weights(item, state["objects"][name], source=self.source)
            else:
                item.load_state_dict(state["objects"][name])
        if state["epoch_length"] != engine.state.epoch_length:
            raise CheckpointError(
                f"{self.source} was written with {state['epoch_length']} iterations per epoch",
                expected=f"{engine.state.epoch_length}, as configured now",
                fix="continue with the same data and batch settings, or start afresh with --resume never",
            )
        if getattr(engine, "scaler", None) is not None and state.get("scaler"):
            engine.scaler.load_state_dict(state["scaler"])
        self.bring_best_model(self.source)
        engine.state.iteration = state["iteration"]
        engine.state.epoch = state["iteration"] // state["epoch_length"]
        log.info("continuing from %s: epoch %d, iteration %d", self.source, engine.state.epoch, state["iteration"])

    def bring_best_model(self, source: Path) -> None:
        """Copy the best model so far from the checkpoint's folder into this run's: its end needs it."""
        history = self.objects.get("history")
        best = getattr(history, "best", None)
        if best is None or source.parent.resolve() == self.path.parent.resolve() or not is_main_process():
            return
        if absent := [
            name for name in self.best_files if name.endswith(".pt") and not source.with_name(name).is_file()
        ]:
            raise CheckpointError(
                f"there is no {' and no '.join(absent)} beside {source}; its best epoch so far: {best['epoch']:.0f}",
                expected=f"the folder of the run, with checkpoint.pt, {', '.join(self.best_files)}",
                fix="copy these files together, or start afresh with --resume never",
            )
        for file in map(source.with_name, self.best_files):
            if file.is_file():
                with file.open("rb") as content:
                    atomic_write(self.path.with_name(file.name), functools.partial(shutil.copyfileobj, content))
