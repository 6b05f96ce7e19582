"""Losses, gradients and weights of two ranks are those of one process with the same common batch."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from tests.support.rank_cases import CASES, all_cases
from tests.support.ranks import on_two_ranks


@pytest.fixture(scope="module")
def of_two(tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, Any]]:
    """The results of all cases on each rank; starting processes takes seconds."""
    return on_two_ranks(all_cases, folder=tmp_path_factory.mktemp("ranks"))


@pytest.mark.parametrize("case", CASES)
def test_steps_of_two_ranks_are_those_of_one(case: str, of_two: list[dict[str, Any]]) -> None:
    torch.manual_seed(11)
    alone = CASES[case]()
    for found in (results[case] for results in of_two):
        close = {"rtol": 1e-4, "atol": 1e-5}
        used, expected = (dict(result) for result in (found, alone))
        used.pop("used", None)
        expected.pop("used", None)
        torch.testing.assert_close(used, expected, **close)
    for key in alone.keys() - {"used"}:
        torch.testing.assert_close(of_two[0][case][key], of_two[1][case][key], rtol=0, atol=0)


def test_an_expert_was_idle_on_one_rank_and_busy_on_the_other(of_two: list[dict[str, Any]]) -> None:
    first, second = (results["photographs"]["used"] for results in of_two)
    assert (first ^ second).any()
    assert not first[2:].any()
    assert second[2:].any()
