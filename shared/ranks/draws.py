"""Random numbers of a batch that lies on several ranks."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from torch import Tensor

from shared.ranks.place import num_ranks, rank


def drawn_share(draw: Callable[..., Tensor], size: Sequence[int], *, dim: int = 0, **options: Any) -> Tensor:
    """This rank's share of random numbers that are drawn for the common batch.

    Ranks hold every ``num_ranks``-th sample (`shared.data.SeededBatchSampler`) and are seeded alike, so each draws all
    numbers and takes its own: the samples get those that they would get in one process.

    Args:
        draw: such as `torch.rand`, called with the whole size.
        size: of the share.
        dim: which of its dimensions is the batch.
        options: of ``draw``: dtype, device.
    """
    ranks = num_ranks()
    whole = [length * ranks if place == dim else length for place, length in enumerate(size)]
    numbers = draw(*whole, **options)
    return numbers if ranks == 1 else numbers.movedim(dim, 0)[rank() :: ranks].movedim(0, dim)
