"""One progress bar for the whole run, with the time that is left."""

from __future__ import annotations

import logging
import sys
from typing import Any

from ignite.engine import Engine, Events

from shared.progress import progress_bar
from shared.workflow.processes import is_main_process


class ProgressBar:
    """A `tqdm` bar over all iterations (training) or photographs (evaluation); log lines are written above it.

    Args:
        description: shown before the bar; the epoch is added where there is more than one.
        unit: what one iteration is called.
    """

    def __init__(self, *, description: str = "training", unit: str = "batch") -> None:
        self.description, self.unit = description, unit
        self.bar: Any = None
        self._streams: list[tuple[logging.StreamHandler[Any], Any]] = []

    def attach(self, engine: Engine) -> None:
        """Open at the start, move at every iteration, close at the end or with an exception."""
        engine.add_event_handler(Events.STARTED, self.open)
        engine.add_event_handler(Events.EPOCH_STARTED, self.describe)
        engine.add_event_handler(Events.ITERATION_COMPLETED, self.move)
        engine.add_event_handler(Events.COMPLETED, self.close)
        engine.add_event_handler(Events.EXCEPTION_RAISED, self.close_and_raise)

    def open(self, engine: Engine) -> None:
        """Draw the bar, where a resumed run left it."""
        total = (engine.state.max_epochs or 1) * (engine.state.epoch_length or 0) or None
        hidden = not is_main_process()
        self.bar = progress_bar(
            total=total, initial=engine.state.iteration, desc=self.description, disable=hidden, unit=self.unit
        )
        for handler in logging.getLogger().handlers:
            if isinstance(handler, logging.StreamHandler) and handler.stream in (sys.stdout, sys.stderr):
                self._streams.append((handler, handler.stream))
                handler.setStream(_AboveBar(handler.stream))

    def describe(self, engine: Engine) -> None:
        """Show the epoch."""
        if self.bar is not None and (engine.state.max_epochs or 1) > 1:
            self.bar.set_description(
                f"{self.description} {engine.state.epoch}/{engine.state.max_epochs}", refresh=False
            )

    def move(self, engine: Engine) -> None:
        """One iteration on, with the loss where there is one."""
        terms = getattr(getattr(engine, "loss_function", None), "last_terms", {})
        if "total" in terms and self.bar is not None:
            self.bar.set_postfix(loss=f"{terms['total'].item():.3f}", refresh=False)
        if self.bar is not None:
            self.bar.update(1)

    def close(self, engine: Engine) -> None:
        """Leave the finished bar on the screen."""
        if self.bar is not None:
            self.bar.close()
            self.bar = None
        for handler, stream in self._streams:
            handler.setStream(stream)
        self._streams.clear()

    def close_and_raise(self, engine: Engine, error: BaseException) -> None:
        """Close and let the exception go on."""
        self.close(engine)
        raise error


class _AboveBar:
    """A text stream that writes above an open bar."""

    def __init__(self, stream: Any) -> None:
        self.stream = stream

    def write(self, text: str) -> None:
        from tqdm import tqdm

        if text.strip():
            tqdm.write(text.rstrip("\n"), file=self.stream)

    def flush(self) -> None:
        self.stream.flush()
