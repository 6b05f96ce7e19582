"""What every rank has found, brought to the main process."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, TypeVar

import torch.distributed as dist

from shared.ranks.place import is_main, num_ranks

T = TypeVar("T")


def gather_to_main(item: T) -> list[T]:
    """Every rank's item in the order of ranks, on the main process; elsewhere an empty list. All have to call."""
    if num_ranks() == 1:
        return [item]
    items: list[Any] | None = [None] * num_ranks() if is_main() else None
    dist.gather_object(item, items)
    return items or []


def gather_to_all(item: T) -> list[T]:
    """Every rank's item in the order of ranks, on every rank. All have to call."""
    if num_ranks() == 1:
        return [item]
    items: list[Any] = [None] * num_ranks()
    dist.all_gather_object(items, item)
    return items


def gather_ordered(items: Iterable[tuple[Any, T]]) -> list[T]:
    """All ranks' (place, item) as items on the main process, in the order of places and at one place in that of ranks.

    So ranks that go through every R-th item of a data set, and number them, come out in its order. Items travel one by
    one: no more than one of each rank is in memory twice. Elsewhere the list is empty. All have to call.
    """
    waiting = list(items)
    if num_ranks() == 1:
        return [item for _, item in sorted(waiting, key=_place)]
    found: list[tuple[Any, T]] = []
    for turn in range(max(gather_to_all(len(waiting)))):
        own = waiting[turn : turn + 1]
        found += [((place, number), item) for number, pairs in enumerate(gather_to_main(own)) for place, item in pairs]
    return [item for _, item in sorted(found, key=_place)]


def _place(pair: tuple[Any, Any]) -> Any:
    return pair[0]
