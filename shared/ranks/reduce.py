"""Losses of a batch that lies on several ranks, as if it lay on one.

DistributedDataParallel averages the ranks' gradients. So that the average is the gradient of the whole batch's loss L,
every rank computes this same L, and what it took from others passes the gradient back ``num_ranks`` times::

    S = sum over ranks of s_r,   L = f(S):   (1 / R) sum over r of  R  dL/dS  ds_r/dw  =  dL/dw

Nothing is communicated in the backward pass, where DistributedDataParallel's own traffic runs.

Dimensions: R ranks, N terms.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor

from shared.ranks.place import num_ranks, rank


class _Sum(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, value: Tensor) -> Tensor:
        ctx.ranks = num_ranks()
        total = value.detach().clone(memory_format=torch.contiguous_format)
        dist.all_reduce(total)
        return total

    @staticmethod
    def backward(ctx: Any, *grads: Any) -> Any:
        return grads[0] * ctx.ranks


class _Gather(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, value: Tensor) -> Tensor:
        ctx.ranks, ctx.rank = num_ranks(), rank()
        own = value.detach().contiguous()
        parts = [torch.empty_like(own) for _ in range(ctx.ranks)]
        dist.all_gather(parts, own)
        return torch.cat(parts)

    @staticmethod
    def backward(ctx: Any, *grads: Any) -> Any:
        return grads[0].chunk(ctx.ranks)[ctx.rank] * ctx.ranks


def sum_over_ranks(value: Tensor) -> Tensor:
    """The sum of all ranks' tensors, of equal shape; differentiable for DistributedDataParallel. All have to call."""
    return value if num_ranks() == 1 else _Sum.apply(value)  # type: ignore[no-untyped-call]


def mean_over_ranks(value: Tensor) -> Tensor:
    """The mean of all ranks' tensors: of the whole batch, where every rank's is a mean over equally many."""
    return value if num_ranks() == 1 else sum_over_ranks(value) / num_ranks()


def means_over_ranks(
    means: Mapping[str, Tensor], *, counts: Mapping[str, int], outputs: Sequence[Tensor]
) -> dict[str, Tensor]:
    """Means over all ranks' samples from each rank's means over its own, however many it has of each.

    Args:
        means: 0-d each, by name; a rank that has no sample of a name leaves it out.
        counts: samples of every name on this rank, 0 included; the same names on all ranks.
        outputs: of the network. All become part of the result, with a gradient of 0 where they play no part: a
            parameter that was used without getting a gradient would stop DistributedDataParallel.

    Returns:
        the means of those names that any rank has samples of, in the order of ``counts``; of one process ``means``.
    """
    if num_ranks() == 1:
        return dict(means)
    nothing = torch.stack([output.flatten()[:0].float().sum() for output in outputs]).sum()
    sums_N = torch.stack([means[name].float() * count if count else nothing for name, count in counts.items()])
    counts_N = sum_over_ranks(torch.tensor(list(counts.values()), dtype=torch.float32, device=sums_N.device))
    means_N = sum_over_ranks(sums_N + nothing) / counts_N.clamp_min(1)
    return {name: mean for name, mean, count in zip(counts, means_N, counts_N.tolist(), strict=True) if count}


def whole_batch(share: Tensor) -> Tensor:
    """All ranks' shares of a batch in a row, of equal shape; differentiable for DistributedDataParallel.

    For losses that are no mean over samples. Every rank then computes the whole batch's loss.
    """
    return share if num_ranks() == 1 else _Gather.apply(share)  # type: ignore[no-untyped-call]
