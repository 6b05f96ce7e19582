"""Which of how many processes this is."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

import torch
import torch.distributed as dist

_ALONE: ContextVar[bool] = ContextVar("alone", default=False)


@contextmanager
def alone() -> Iterator[None]:
    """Inside, this process counts as the only one: nothing is summed or gathered, nobody is waited for."""
    token = _ALONE.set(True)
    try:
        yield
    finally:
        _ALONE.reset(token)


def num_ranks() -> int:
    """How many processes work together; 1 without a process group."""
    return dist.get_world_size() if dist.is_available() and dist.is_initialized() and not _ALONE.get() else 1


def rank() -> int:
    """This process's number among them, from 0."""
    return dist.get_rank() if num_ranks() > 1 else 0


def is_main() -> bool:
    """Whether this is the only process, or rank 0."""
    return rank() == 0


def any_rank(flag: bool) -> bool:
    """Whether the flag is true on any rank; all have to ask."""
    if num_ranks() == 1:
        return flag
    told = torch.tensor(int(flag))
    dist.all_reduce(told, op=dist.ReduceOp.MAX)
    return bool(told)
