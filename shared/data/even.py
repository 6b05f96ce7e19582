"""A few of many, evenly."""

from __future__ import annotations

from collections.abc import Iterator


def even_order(total: int, wanted: int) -> Iterator[int]:
    """All places 0 to ``total`` - 1, about ``wanted`` evenly spread ones first; in order where ``wanted`` is 0."""
    every = max(1, total // wanted) if wanted else 1
    yield from range(0, total, every)
    yield from (place for place in range(total) if place % every)
