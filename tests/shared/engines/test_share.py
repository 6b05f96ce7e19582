"""An evaluator whose share of the data may be empty."""

from __future__ import annotations

from ignite.engine import Events
from monai.data import DataLoader
from monai.engines import SupervisedEvaluator
from torch import nn, ones

from shared.data import RankSampler
from shared.engines import run_share


def told_of(number: int, *, rank: int) -> list[str]:
    """Which events an evaluator announces on a rank of two with so many items."""
    data = [{"image": ones(2), "label": ones(2)} for _ in range(number)]
    loader = DataLoader(data, sampler=RankSampler(data, rank=rank, world_size=2), num_workers=0)
    evaluator = SupervisedEvaluator(device="cpu", val_data_loader=loader, network=nn.Identity())
    told: list[str] = []
    for event in (Events.STARTED, Events.ITERATION_COMPLETED, Events.COMPLETED):
        evaluator.add_event_handler(event, lambda _, name: told.append(name), event.name)
    run_share(evaluator)
    return told


def test_an_empty_share_starts_and_ends() -> None:
    assert told_of(1, rank=1) == ["STARTED", "COMPLETED"]


def test_each_item_is_seen_once_on_one_rank() -> None:
    assert told_of(3, rank=0) == ["STARTED", "ITERATION_COMPLETED", "ITERATION_COMPLETED", "COMPLETED"]
    assert told_of(3, rank=1) == ["STARTED", "ITERATION_COMPLETED", "COMPLETED"]
