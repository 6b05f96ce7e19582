"""A loss that is not a number, and Ctrl-C."""

import os
import signal

import pytest
import torch
from ignite.engine import Events

from shared.errors import TrainingError
from shared.handlers import FiniteLossGuard, StopOnSignal
from tests.support.engines import make_trainer


def test_nan_loss_stops_before_the_weights_change_and_names_the_photographs():
    trainer = make_trainer([FiniteLossGuard()])
    trainer.data_loader[2]["image"][0] = float("nan")
    weights = []
    trainer.add_event_handler(Events.ITERATION_STARTED, lambda e: weights.append(e.network[0].weight.clone()))
    with pytest.raises(TrainingError, match="eye 2, eye 2 again") as error:
        trainer.run()
    assert "iteration 3" in str(error.value)
    assert "fit" in str(error.value)
    assert torch.equal(trainer.network[0].weight, weights[-1])


def test_a_finite_loss_passes():
    trainer = make_trainer([FiniteLossGuard()], max_epochs=1)
    trainer.run()
    assert trainer.state.iteration == 4


@pytest.mark.parametrize(("at", "stops"), [(2, 2), (4, 4), (3, 4)])
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_the_run_after_a_complete_step(at, stops, number):
    guard = StopOnSignal()
    before = signal.getsignal(number)
    trainer = make_trainer([guard], accumulation_steps=2)
    trainer.add_event_handler(Events.ITERATION_STARTED(once=at), lambda e: os.kill(os.getpid(), number))
    trainer.run()
    assert guard.stopped_by == number.name
    assert trainer.state.iteration == stops
    assert signal.getsignal(number) == before


def test_an_epoch_in_which_the_signal_comes_last_still_completes():
    done = []
    trainer = make_trainer([StopOnSignal()])
    trainer.add_event_handler(Events.EPOCH_COMPLETED, lambda e: done.append(e.state.epoch))
    trainer.add_event_handler(Events.ITERATION_STARTED(once=4), lambda e: os.kill(os.getpid(), signal.SIGINT))
    trainer.run()
    assert done == [1]
    assert trainer.state.iteration == 4


@pytest.mark.parametrize("before", [signal.default_int_handler, signal.SIG_IGN], ids=["terminal", "background job"])
def test_a_second_signal_interrupts_at_once(before, request):
    was = signal.signal(signal.SIGINT, before)
    request.addfinalizer(lambda: signal.signal(signal.SIGINT, was))
    trainer = make_trainer([StopOnSignal()])

    def twice(engine):
        signal.raise_signal(signal.SIGINT)
        signal.raise_signal(signal.SIGINT)

    trainer.add_event_handler(Events.ITERATION_STARTED(once=2), twice)
    with pytest.raises(KeyboardInterrupt):
        trainer.run()


def test_signals_are_given_back_after_an_exception():
    before = signal.getsignal(signal.SIGINT)
    trainer = make_trainer([FiniteLossGuard(), StopOnSignal()], target=float("nan"))
    with pytest.raises(TrainingError):
        trainer.run()
    assert signal.getsignal(signal.SIGINT) == before
