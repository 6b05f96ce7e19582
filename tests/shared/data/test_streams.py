from __future__ import annotations

from collections import Counter

import pytest

from shared.data.sampling import Draw
from shared.data.streams import TwoStreamSampler
from shared.errors import ConfigError

FLAGS = [True] * 4 + [False] * 15


def test_labelled_come_first_and_none_is_left_out() -> None:
    sampler = TwoStreamSampler(FLAGS, batch_size=2, unlabelled_batch_size=5, batches_per_epoch=6)
    batches = list(sampler)
    assert len(batches) == len(sampler) == 6
    for batch in batches:
        assert [FLAGS[draw.index] for draw in batch] == [True] * 2 + [False] * 5
    counts = Counter(draw.index for batch in batches for draw in batch)
    assert [counts[i] for i in range(19)] == [3] * 4 + [2] * 15


def test_an_epoch_draws_every_labelled_item_once_by_default() -> None:
    sampler = TwoStreamSampler(FLAGS, batch_size=1, unlabelled_batch_size=5)
    assert sorted(batch[0].index for batch in sampler) == [0, 1, 2, 3]


def test_it_goes_on_in_the_middle_of_an_epoch() -> None:
    whole, late = (TwoStreamSampler(FLAGS, batch_size=2, unlabelled_batch_size=3, batches_per_epoch=5) for _ in "ab")
    epochs = [list(whole) for _ in range(3)]
    assert epochs[0] != epochs[1]
    late.set_epoch(2, start_batch=3)
    assert list(late) == epochs[2][3:]
    other = TwoStreamSampler(FLAGS, batch_size=2, unlabelled_batch_size=3, batches_per_epoch=5, seed=1)
    assert list(other) != epochs[0]


def test_the_control_sees_the_same_labelled_items_with_the_same_augmentation() -> None:
    semi = TwoStreamSampler(FLAGS, batch_size=2, unlabelled_batch_size=5, batches_per_epoch=7)
    control = TwoStreamSampler(FLAGS, batch_size=2, unlabelled_batch_size=0, batches_per_epoch=7)

    def labelled(sampler: TwoStreamSampler) -> list[list[Draw]]:
        return [[draw for draw in batch if draw.index < 4] for batch in sampler]

    assert labelled(semi) == labelled(control)
    more = TwoStreamSampler(FLAGS + [False] * 9, batch_size=2, unlabelled_batch_size=5, batches_per_epoch=7)
    assert labelled(TwoStreamSampler(FLAGS, batch_size=2, batches_per_epoch=7)) == [batch[:2] for batch in more]


def test_processes_share_a_batch() -> None:
    parts = [
        list(TwoStreamSampler(FLAGS, batch_size=1, unlabelled_batch_size=3, batches_per_epoch=4, rank=r, world_size=2))
        for r in (0, 1)
    ]
    for first, second in zip(*parts, strict=True):
        for batch in (first, second):
            assert [FLAGS[draw.index] for draw in batch] == [True, False, False, False]
        assert not {draw.index for draw in first} & {draw.index for draw in second}
        assert all(isinstance(draw, Draw) for draw in first)


def test_all_labelled_leaves_the_unlabelled_out(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level("INFO"):
        sampler = TwoStreamSampler([True] * 4, batch_size=2, unlabelled_batch_size=5)
    assert [len(batch) for batch in sampler] == [2, 2]
    assert "nothing is unlabelled" in caplog.text


@pytest.mark.parametrize(("flags", "sizes"), [([False] * 3, (1, 1)), ([], (1, 1)), ([True], (0, 1)), ([True], (1, -1))])
def test_impossible_numbers_are_refused(flags: list[bool], sizes: tuple[int, int]) -> None:
    with pytest.raises(ConfigError):
        TwoStreamSampler(flags, batch_size=sizes[0], unlabelled_batch_size=sizes[1])
