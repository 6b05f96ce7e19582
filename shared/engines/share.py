"""An evaluator that goes through a part of the data."""

from __future__ import annotations

from ignite.engine import Events
from monai.engines import Evaluator


def run_share(evaluator: Evaluator) -> None:
    """Run an evaluator whose loader may be empty, as that of a rank may be where there are fewer items than ranks.

    MONAI skips such a run, and the other ranks would wait for what this one has to gather: its start and its end are
    announced to the handlers.
    """
    if evaluator.state.epoch_length:
        evaluator.run()
        return
    for event in (Events.STARTED, Events.COMPLETED):
        evaluator.fire_event(event)
