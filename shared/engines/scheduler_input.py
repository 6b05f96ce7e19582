"""What a learning-rate scheduler is told at the end of an epoch."""

from __future__ import annotations

from typing import Any

from torch.optim.lr_scheduler import ReduceLROnPlateau

from shared.engines.history import History


class SchedulerInput:
    """For ``step_transform`` of MONAI's `LrScheduleHandler`: one configuration serves every scheduler.

    `ReduceLROnPlateau` is told the epoch's mean training loss (put `RecordHistory` first), others nothing.

    Args:
        lr_scheduler: the scheduler.
        history: of the run.
    """

    def __init__(self, *, lr_scheduler: Any, history: History) -> None:
        self.on_plateau, self.history = isinstance(lr_scheduler, ReduceLROnPlateau), history

    def __call__(self, engine: Any) -> Any:
        """Arguments of the scheduler's ``step``."""
        return self.history.rows[-1]["loss"] if self.on_plateau else ()
