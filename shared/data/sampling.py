"""Which photographs make a batch, when some have masks and others only grades.

Everything is a pure function of (seed, epoch, position), so that a run can go on in the middle of an epoch.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence, Sized
from dataclasses import dataclass
from typing import Any

import numpy as np
from torch.utils.data import Sampler

from shared.errors import ConfigError
from shared.tasks import Task, parse_tasks

MODES = ("mixed", "alternate")
WITH_MASKS, GRADES_ONLY = "masks", "grades"


@dataclass(frozen=True, slots=True)
class Draw:
    """A photograph's index, and the seed of its augmentation this time."""

    index: int
    seed: int


def label_kinds(data: Sequence[Mapping[str, Any]], tasks: Iterable[Mapping[str, Any] | Task]) -> list[str]:
    """For every item ``"masks"`` if any of its mask tasks is labelled, else ``"grades"``."""
    task_list = parse_tasks(tasks)
    positions = [task_list.index(task.name) for task in task_list.masks]
    return [WITH_MASKS if any(item["labelled"][t] for t in positions) else GRADES_ONLY for item in data]


class RankSampler(Sampler[int]):
    """This process's share of a data set, in order: every ``world_size``-th item, each in one process only.

    PyTorch's `DistributedSampler` repeats items so that all shares are equal, which would count them twice in metrics,
    and MONAI's refuses fewer items than processes. A share may be empty here.

    Args:
        data: the data set.
        rank, world_size: this process and how many there are.
    """

    def __init__(self, data: Sized, *, rank: int, world_size: int) -> None:
        self.places = range(rank, len(data), world_size)

    def __len__(self) -> int:
        return len(self.places)

    def __iter__(self) -> Iterator[int]:
        return iter(self.places)


class SeededBatchSampler(Sampler[list[Draw]]):
    """Batches of several kinds of items, each drawn without replacement in seeded permutations that go on over the
    borders of batches and epochs. Subclasses say how many of each kind make a batch (`shares`).

    Iterating yields the epoch set last; iterating again yields the next one.

    Args:
        indices: the items of every kind.
        common_size: items per batch, over all processes.
        rank, world_size: this process and how many there are; each takes every ``world_size``-th item.
    """

    def __init__(
        self,
        indices: Mapping[str, Sequence[int]],
        *,
        common_size: int,
        batches_per_epoch: int,
        seed: int = 0,
        rank: int = 0,
        world_size: int = 1,
    ) -> None:
        self.indices, self.common_size, self.batches_per_epoch = dict(indices), common_size, batches_per_epoch
        self.seed, self.rank, self.world_size = seed, rank, world_size
        self.epoch, self.start_batch = 0, 0

    def set_epoch(self, epoch: int, *, start_batch: int = 0) -> None:
        """The next iteration yields ``epoch`` (from 0), beginning with its batch ``start_batch``."""
        self.epoch, self.start_batch = epoch, start_batch

    def __len__(self) -> int:
        return self.batches_per_epoch

    def __iter__(self) -> Iterator[list[Draw]]:
        epoch, start = self.epoch, self.start_batch
        self.set_epoch(epoch + 1)
        for batch in range(start, self.batches_per_epoch):
            yield self.batch(epoch, batch)

    def batch(self, epoch: int, position: int) -> list[Draw]:
        """This process's share of one batch."""
        number = epoch * self.batches_per_epoch + position
        indices = [index for kind, first, count in self.shares(number) for index in self._draw(kind, first, count)]
        seeds = np.random.SeedSequence([self.seed, number]).generate_state(self.common_size)
        draws = [Draw(index, int(seed)) for index, seed in zip(indices, seeds, strict=True)]
        return draws[self.rank :: self.world_size]

    def shares(self, number: int) -> list[tuple[str, int, int]]:
        """(kind, how many of it were drawn before, how many now) for the ``number``-th batch of the run."""
        raise NotImplementedError

    def _draw(self, kind: str, first: int, count: int) -> list[int]:
        members = self.indices[kind]
        drawn: list[int] = []
        while len(drawn) < count:
            cycle, place = divmod(first + len(drawn), len(members))
            stream = np.random.default_rng([self.seed, len(kind), cycle])
            permutation = stream.permutation(len(members))
            drawn += [members[i] for i in permutation[place : place + count - len(drawn)]]
        return drawn


class GroupedBatchSampler(SeededBatchSampler):
    """Batches of two kinds of photograph: with masks, and with grades only.

    ``"mixed"``: every batch has ``mask_share`` of photographs with masks (rounded so that the share holds over
    several batches). ``"alternate"``: all of a batch is of one kind, kinds taking turns, masks first (published).
    With one kind of photograph only, all come from it. Each kind is drawn without replacement, in permutations that
    go on over the borders of batches and epochs.

    Iterating yields the epoch set last; iterating again yields the next one.

    Args:
        kinds: the kind of every photograph, `label_kinds`.
        batch_size: photographs per batch and process.
        batches_per_epoch: default: as many as it takes to draw as many photographs as there are.
        mask_share: of ``"mixed"``, 0..1.
        rank, world_size: this process and how many there are; each takes every ``world_size``-th photograph of the
            common batch of ``batch_size * world_size``.
    """

    def __init__(
        self,
        kinds: Sequence[str],
        *,
        batch_size: int,
        batches_per_epoch: int | None = None,
        seed: int = 0,
        mode: str = "mixed",
        mask_share: float = 0.5,
        rank: int = 0,
        world_size: int = 1,
    ) -> None:
        if mode not in MODES:
            raise ConfigError(f"batch mode {mode!r}", expected=f"one of {', '.join(MODES)}", fix="correct the key")
        if batch_size < 1:
            raise ConfigError(f"batch_size is {batch_size}", expected="at least 1", fix="for example --batch_size 2")
        if not len(kinds) or not 0 <= mask_share <= 1 or not 0 <= rank < world_size:
            raise ConfigError(
                f"{len(kinds)} photographs, batch_size {batch_size}, mask_share {mask_share}, rank {rank}/{world_size}",
                expected="at least one photograph, a share in 0..1, a rank below the world size",
                fix="check the data list and the key `mask_share`",
            )
        members_of = {kind: [i for i, k in enumerate(kinds) if k == kind] for kind in (WITH_MASKS, GRADES_ONLY)}
        common_size = batch_size * world_size
        super().__init__(
            {kind: members for kind, members in members_of.items() if members},
            common_size=common_size,
            batches_per_epoch=batches_per_epoch or math.ceil(len(kinds) / common_size),
            seed=seed,
            rank=rank,
            world_size=world_size,
        )
        self.batch_size, self.mode, self.mask_share = batch_size, mode, mask_share

    def shares(self, number: int) -> list[tuple[str, int, int]]:
        """(kind, how many of it were drawn before, how many now) for the ``number``-th batch of the run."""
        size, kinds = self.common_size, list(self.indices)
        if len(kinds) == 1:
            return [(kinds[0], number * size, size)]
        if self.mode == "alternate":
            return [(kinds[number % 2], number // 2 * size, size)]
        before, after = (math.floor(n * size * self.mask_share + 1e-9) for n in (number, number + 1))
        masks = after - before
        return [(WITH_MASKS, before, masks), (GRADES_ONLY, number * size - before, size - masks)]
