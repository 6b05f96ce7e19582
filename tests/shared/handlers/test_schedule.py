"""What depends on the position in training depends on nothing else."""

import torch
from ignite.engine import Engine, Events

from shared.handlers import ReproducibleSteps, RoutingSchedule


class Gates:
    def __init__(self):
        self.rules = []

    def set_routing_rule(self, rule):
        self.rules.append(rule)


class Sampler:
    def __init__(self):
        self.told = []

    def set_epoch(self, epoch, *, start_batch=0):
        self.told.append((epoch, start_batch))


def engine_of(draws=None):
    return Engine(lambda engine, batch: (draws if draws is not None else []).append(torch.rand(1).item()))


def test_all_experts_first_then_the_sparse_rule():
    gates, engine = Gates(), engine_of()
    RoutingSchedule(network=gates, rule="top_k", dense_epochs=2).attach(engine)
    engine.run([0], max_epochs=4)
    assert gates.rules == ["dense", "dense", "top_k", "top_k"]


def test_a_network_without_gates_is_left_alone():
    engine = engine_of()
    RoutingSchedule(network=torch.nn.Linear(1, 1), rule="top_p", dense_epochs=1).attach(engine)
    engine.run([0], max_epochs=2)
    assert engine.state.epoch == 2


def test_random_numbers_are_a_function_of_seed_and_iteration():
    curves = []
    for seed, noise in ((1, 0), (1, 99), (2, 0)):
        draws: list[float] = []
        engine = engine_of(draws)
        engine.add_event_handler(Events.GET_BATCH_STARTED, lambda e, n=noise: torch.rand(n))
        ReproducibleSteps(seed=seed, sampler=Sampler()).attach(engine)
        engine.run([0, 1, 2], max_epochs=2)
        curves.append(draws)
    assert curves[0] == curves[1]
    assert len(set(curves[0])) == 6
    assert not set(curves[0]) & set(curves[2])


def test_the_sampler_is_told_where_a_resumed_run_starts():
    sampler, engine = Sampler(), engine_of()
    ReproducibleSteps(seed=0, sampler=sampler).attach(engine)
    engine.load_state_dict({"iteration": 5, "epoch_length": 3, "max_epochs": 3})
    engine.run([0, 1, 2], max_epochs=3, epoch_length=3)
    assert sampler.told == [(1, 2), (2, 0)]
