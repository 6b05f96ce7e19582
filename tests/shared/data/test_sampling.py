from __future__ import annotations

import pickle
from collections import Counter
from itertools import pairwise

import pytest

from shared.data.sampling import Draw, GroupedBatchSampler, label_kinds
from shared.errors import ConfigError
from shared.tasks import parse_tasks

KINDS = ["masks"] * 5 + ["grades"] * 13


def epochs(sampler: GroupedBatchSampler, count: int) -> list[list[list[Draw]]]:
    return [list(sampler) for _ in range(count)]


def test_kinds_follow_the_labels() -> None:
    tasks = parse_tasks([{"name": "RG", "kind": "grade", "num_classes": 5}, {"name": "MA", "kind": "mask"}])
    data = [{"labelled": labelled} for labelled in ([True, True], [True, False], [False, True], [False, False])]
    assert label_kinds(data, tasks) == ["masks", "grades", "masks", "grades"]


@pytest.mark.parametrize("batch_size", [1, 2, 3, 4, 9])
def test_mixed_batches_keep_the_share(batch_size: int) -> None:
    sampler = GroupedBatchSampler(KINDS, batch_size=batch_size, batches_per_epoch=10)
    batches = [batch for epoch in epochs(sampler, 2) for batch in epoch]
    masks = [sum(draw.index < 5 for draw in batch) for batch in batches]
    assert all(len(batch) == batch_size for batch in batches)
    assert set(masks) <= {batch_size // 2, (batch_size + 1) // 2}
    assert sum(masks) == 10 * batch_size


def test_alternating_batches_are_of_one_kind() -> None:
    sampler = GroupedBatchSampler(KINDS, batch_size=4, batches_per_epoch=5, mode="alternate")
    kinds = [{KINDS[draw.index] for draw in batch} for epoch in epochs(sampler, 2) for batch in epoch]
    assert all(len(kind) == 1 for kind in kinds)
    assert all(first != second for first, second in pairwise(kinds))
    assert kinds[0] == {"masks"}


@pytest.mark.parametrize("mode", ["mixed", "alternate"])
@pytest.mark.parametrize("kinds", [KINDS, ["masks"] * 7, ["grades"], ["masks", *["grades"] * 6]])
def test_each_kind_comes_round_without_replacement(mode: str, kinds: list[str]) -> None:
    sampler = GroupedBatchSampler(kinds, batch_size=3, batches_per_epoch=7, mode=mode, seed=1)
    drawn = [draw.index for epoch in epochs(sampler, 5) for batch in epoch for draw in batch]
    for kind in set(kinds):
        members = [i for i, k in enumerate(kinds) if k == kind]
        order = [i for i in drawn if i in members]
        rounds = [order[i : i + len(members)] for i in range(0, len(order), len(members))]
        assert all(sorted(full) == members for full in rounds if len(full) == len(members))
        counts = Counter(order)
        assert max(counts.values()) - min(counts.values()) <= 1
        if len(members) > 4:
            assert rounds[0] != rounds[1]


def test_resume_in_the_middle_of_an_epoch_is_exact() -> None:
    whole = GroupedBatchSampler(KINDS, batch_size=4, batches_per_epoch=6, seed=3)
    expected = epochs(whole, 4)
    resumed = GroupedBatchSampler(KINDS, batch_size=4, batches_per_epoch=6, seed=3)
    resumed.set_epoch(2, start_batch=4)
    assert list(resumed) == expected[2][4:]
    assert list(resumed) == expected[3]
    resumed.set_epoch(1)
    assert list(resumed) == expected[1]
    assert len(resumed) == 6


def test_seeds_differ_between_draws_and_runs() -> None:
    draws = [d for epoch in epochs(GroupedBatchSampler(KINDS, batch_size=4, seed=3), 20) for b in epoch for d in b]
    assert len({draw.seed for draw in draws}) == len(draws)
    other = [d for b in GroupedBatchSampler(KINDS, batch_size=4, seed=4) for d in b]
    assert [d.index for d in other] != [d.index for d in draws[: len(other)]]
    assert not {d.seed for d in other} & {d.seed for d in draws}
    assert pickle.loads(pickle.dumps(draws[0])) == draws[0]


@pytest.mark.parametrize("mode", ["mixed", "alternate"])
def test_ranks_share_the_batch_of_one_process(mode: str) -> None:
    one = GroupedBatchSampler(KINDS, batch_size=6, batches_per_epoch=5, mode=mode)
    ranks = [
        GroupedBatchSampler(KINDS, batch_size=3, batches_per_epoch=5, mode=mode, rank=r, world_size=2) for r in (0, 1)
    ]
    for common, first, second in zip(*(epochs(sampler, 1)[0] for sampler in (one, *ranks)), strict=True):
        assert len(first) == len(second) == 3
        assert {*first, *second} == set(common)


def test_an_epoch_has_as_many_draws_as_photographs() -> None:
    assert len(GroupedBatchSampler(KINDS, batch_size=4)) == 5
    assert len(GroupedBatchSampler(KINDS, batch_size=4, world_size=2)) == 3


@pytest.mark.parametrize(
    "arguments",
    [{"mode": "random"}, {"batch_size": 0}, {"mask_share": 1.5}, {"rank": 2, "world_size": 2}, {"kinds": []}],
)
def test_impossible_arguments_are_refused(arguments: dict) -> None:
    with pytest.raises(ConfigError):
        GroupedBatchSampler(**{"kinds": KINDS, "batch_size": 2} | arguments)
