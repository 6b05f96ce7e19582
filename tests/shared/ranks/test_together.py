"""What ranks tell each other: flags, items in order, shares of random numbers and of data; and one process alone."""

from __future__ import annotations

from typing import Any
from unittest.mock import Mock

import pytest
import torch
from torch import Tensor, nn

from shared.data import RankSampler, VolumeBatchSampler
from shared.errors import TrainingError
from shared.handlers import FiniteLossGuard, ShareBuffers, StopOnSignal
from shared.ranks import (
    alone,
    any_rank,
    drawn_share,
    gather_ordered,
    gather_to_all,
    gather_to_main,
    means_over_ranks,
    num_ranks,
    rank,
    sum_over_ranks,
    whole_batch,
)
from tests.support.ranks import on_two_ranks


def draws() -> dict[str, Tensor]:
    torch.manual_seed(7)
    size = 4 // num_ranks()
    return {
        "first": drawn_share(torch.randn, (size, 3)),
        "second": drawn_share(torch.rand, (2, size, 3), dim=1),
        "bare": torch.rand(2),
    }


def not_finite() -> str:
    """The error of a loss that is not finite, which came of one rank's photographs."""
    engine: Any = Mock(spec=["state"])
    engine.state.output = {"loss": torch.tensor(torch.nan)}
    engine.state.batch, engine.state.iteration = {"name": [f"eye of rank {rank()}"]}, 3
    try:
        FiniteLossGuard().check(engine)
    except TrainingError as error:
        return str(error)
    return ""


def stopped(by: int | None) -> tuple[bool, bool]:
    """Whether a signal to one rank stops this one within an epoch, and at its end."""
    handler = StopOnSignal()
    handler.stopped_by = "SIGTERM" if rank() == by else None
    ended = []
    for act in (handler.stop_after_step, handler.stop_after_epoch):
        engine: Any = Mock(accumulation_steps=1)
        engine.state.iteration, engine.state.epoch_length = 2, 4
        act(engine)
        ended.append(engine.terminate.called)
    return ended[0], ended[1]


def tell() -> dict[str, Any]:
    mine, places = rank(), RankSampler(range(5), rank=rank(), world_size=num_ranks())
    network = nn.BatchNorm1d(2)
    network.running_mean.fill_(mine + 1.0)
    ShareBuffers(networks=[network]).share()
    with alone():
        apart = num_ranks(), rank(), gather_to_all(mine), any_rank(mine == 1), float(sum_over_ranks(torch.ones(())))
    return {
        "any": (any_rank(mine == 1), any_rank(False)),
        "main": gather_to_main(mine),
        "all": gather_to_all(f"rank {mine}"),
        # One has three, the other two: also an empty share.
        "ordered": gather_ordered(enumerate(f"item {place}" for place in places)),
        "of one": gather_ordered(enumerate(["only"] if mine == 0 else [])),
        "of none": gather_ordered([]),
        "skipped": gather_ordered([(place, place) for place in places if place != 2]),
        "buffers": network.running_mean.tolist(),
        "alone": apart,
        "not finite": not_finite(),
        "stopped": (stopped(1), stopped(None)),
        "draws": draws(),
    }


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, Any]]:
    return on_two_ranks(tell, folder=tmp_path_factory.mktemp("ranks"))


def test_flags_and_items(told: list[dict[str, Any]]) -> None:
    main, other = told
    for found in told:
        assert found["any"] == (True, False)
        assert found["all"] == ["rank 0", "rank 1"]
        assert found["buffers"] == [1.0, 1.0]
    assert (main["main"], other["main"]) == ([0, 1], [])
    assert main["ordered"] == [f"item {place}" for place in range(5)]
    assert main["of one"] == ["only"]
    assert main["of none"] == []
    assert main["skipped"] == [0, 1, 3, 4]
    assert other["ordered"] == other["of one"] == other["skipped"] == []


def test_alone_nobody_is_asked(told: list[dict[str, Any]]) -> None:
    assert [found["alone"] for found in told] == [(1, 0, [0], False, 1.0), (1, 0, [1], True, 1.0)]


def test_a_loss_that_is_not_finite_names_the_photographs_of_all(told: list[dict[str, Any]]) -> None:
    assert all("eye of rank 0, eye of rank 1" in found["not finite"] for found in told)


def test_a_signal_to_one_rank_stops_all(told: list[dict[str, Any]]) -> None:
    assert [found["stopped"] for found in told] == [((True, True), (False, False))] * 2


def test_draws_of_ranks_are_those_of_one_process(told: list[dict[str, Any]]) -> None:
    whole = draws()
    for place, found in enumerate(told):
        assert torch.equal(found["draws"]["first"], whole["first"][place::2])
        assert torch.equal(found["draws"]["second"], whole["second"][:, place::2])
        assert torch.equal(found["draws"]["bare"], whole["bare"])


def test_one_process_is_left_as_it_is() -> None:
    value = torch.rand(3, requires_grad=True)
    assert sum_over_ranks(value) is value
    assert whole_batch(value) is value
    assert means_over_ranks({"a": value}, counts={"a": 2, "b": 0}, outputs=[value]) == {"a": value}
    assert (num_ranks(), rank(), any_rank(True), gather_to_main("x")) == (1, 0, True, ["x"])
    assert gather_ordered([(2, "b"), (1, "a")]) == ["a", "b"]


@pytest.mark.parametrize("length", [0, 1, 2, 5])
def test_shares_hold_every_item_once(length: int) -> None:
    shares = [RankSampler(range(length), rank=rank, world_size=2) for rank in range(2)]
    assert sorted(place for share in shares for place in share) == list(range(length))
    assert [len(share) for share in shares] == [len(list(share)) for share in shares]


def test_volumes_stay_whole() -> None:
    data = [{"volume": name} for name in "aaabbccccd"]
    shares = [VolumeBatchSampler(data, batch_size=2, rank=rank, world_size=2) for rank in range(2)]
    assert list(shares[0]) == [[0, 1], [2], [5, 6], [7, 8]]
    assert list(shares[1]) == [[3, 4], [9]]
    assert list(VolumeBatchSampler(data, batch_size=2)) == [[0, 1], [2], [3, 4], [5, 6], [7, 8], [9]]
