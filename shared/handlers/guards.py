"""Handlers that stop a run in good order: not-a-number losses, Ctrl-C and termination."""

from __future__ import annotations

import logging
import signal
import threading
from types import FrameType
from typing import Any

import torch
from ignite.engine import Engine, Events
from monai.engines import IterationEvents

from shared.errors import TrainingError
from shared.ranks import any_rank, gather_to_all

log = logging.getLogger(__name__)


class FiniteLossGuard:
    """Stops training at a loss that is not finite, before it reaches the weights, naming the photographs."""

    def attach(self, engine: Engine) -> None:
        """Check after every loss."""
        engine.add_event_handler(IterationEvents.LOSS_COMPLETED, self.check)

    def check(self, engine: Any) -> None:
        """Raise if the loss is NaN or infinite."""
        loss = engine.state.output["loss"]
        if torch.isfinite(loss).all():
            return
        terms = getattr(getattr(engine, "loss_function", None), "last_terms", {})
        bad = [name for name, term in terms.items() if name != "total" and not torch.isfinite(term)]
        # The loss is that of all ranks: it ends them all, and only one of them may hold the photograph.
        names = [name for own in gather_to_all(list(engine.state.batch.get("name", ["unknown"]))) for name in own]
        raise TrainingError(
            f"the loss is {loss.item()} in iteration {engine.state.iteration} (terms: {', '.join(bad) or 'total'}; "
            f"photographs: {', '.join(map(str, names))})",
            expected="a finite loss; the weights were not updated with it and the last checkpoint is kept",
            fix="look at these photographs, lower --learning_rate, or switch reduced precision off with --amp False",
        )


class StopOnSignal:
    """On Ctrl-C or SIGTERM ends training after the current step, so that it is saved and can be continued.

    A step is complete when the optimiser has moved (gradients in accumulation are in no checkpoint). A second signal
    interrupts at once; what the last checkpoint holds is kept. A signal to one rank stops all after the same step.
    """

    def __init__(self) -> None:
        self.stopped_by: str | None = None
        self._previous: dict[int, Any] = {}

    def attach(self, engine: Engine) -> None:
        """Take over the signals while the engine runs (in the main thread only, where Python allows it)."""
        engine.add_event_handler(Events.STARTED, self.install)
        engine.add_event_handler(Events.ITERATION_COMPLETED, self.stop_after_step)
        engine.add_event_handler(Events.EPOCH_COMPLETED, self.stop_after_epoch)
        engine.add_event_handler(Events.COMPLETED, self.restore)
        engine.add_event_handler(Events.EXCEPTION_RAISED, self.restore_and_raise)

    def install(self, engine: Engine) -> None:
        """Take over SIGINT and SIGTERM."""
        if threading.current_thread() is not threading.main_thread():
            return

        def note(number: int, frame: FrameType | None) -> None:
            self.stopped_by = signal.Signals(number).name
            log.warning("%s: stopping after this step, which is then saved; once more stops at once", self.stopped_by)
            # Not what was there before: a shell starts background jobs with SIGINT ignored.
            signal.signal(signal.SIGINT, signal.default_int_handler)
            signal.signal(signal.SIGTERM, signal.SIG_DFL)

        for number in (signal.SIGINT, signal.SIGTERM):
            self._previous[number] = signal.signal(number, note)

    def stop_after_step(self, engine: Any) -> None:
        """End the run between two optimiser steps; the last step of an epoch leaves it to `stop_after_epoch`."""
        done = (engine.state.iteration - 1) % engine.state.epoch_length + 1
        complete = done % getattr(engine, "accumulation_steps", 1) == 0 and done < engine.state.epoch_length
        if complete and any_rank(self.stopped_by is not None):
            engine.terminate()

    def stop_after_epoch(self, engine: Engine) -> None:
        """End the run between two epochs."""
        if any_rank(self.stopped_by is not None):
            engine.terminate()

    def restore(self, engine: Engine) -> None:
        """Give the signals back to whoever had them."""
        for number, handler in self._previous.items():
            signal.signal(number, handler)
        self._previous.clear()

    def restore_and_raise(self, engine: Engine, error: BaseException) -> None:
        """Give the signals back and let the exception go on."""
        self.restore(engine)
        raise error
