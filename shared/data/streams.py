"""Batches of labelled and unlabelled items in fixed numbers, for semi-supervised training."""

from __future__ import annotations

import logging
import math
from collections.abc import Sequence

from shared.data.sampling import SeededBatchSampler
from shared.errors import ConfigError

logger = logging.getLogger(__name__)

LABELLED, UNLABELLED = "labelled", "unlabelled"


class TwoStreamSampler(SeededBatchSampler):
    """Every batch has ``batch_size`` labelled items, then ``unlabelled_batch_size`` unlabelled ones.

    Each kind is drawn without replacement, at its own pace: while the few labelled items go round many times, the
    unlabelled ones may go round once. What is drawn of one kind does not depend on the number of the other: runs with
    and without unlabelled data see the same labelled items in the same order and, in one process, augmented alike.

    Without unlabelled items (all data labelled) batches have the labelled ones alone.

    Args:
        labelled_flags: for every item of the data set whether it is labelled.
        batch_size: labelled items per batch and process.
        unlabelled_batch_size: unlabelled items per batch and process; 0 for supervised training.
        batches_per_epoch: default: as many as it takes to draw every labelled item once.
        seed: of the order and of every item's augmentation.
        rank, world_size: this process and how many there are.

    Raises:
        ConfigError: no labelled item, or impossible numbers.
    """

    def __init__(
        self,
        labelled_flags: Sequence[bool],
        *,
        batch_size: int,
        unlabelled_batch_size: int = 0,
        batches_per_epoch: int | None = None,
        seed: int = 0,
        rank: int = 0,
        world_size: int = 1,
    ) -> None:
        if batch_size < 1 or unlabelled_batch_size < 0 or not 0 <= rank < world_size:
            raise ConfigError(
                f"batch_size {batch_size}, unlabelled_batch_size {unlabelled_batch_size}, rank {rank}/{world_size}",
                expected="at least 1 labelled item, 0 or more unlabelled ones, a rank below the world size",
                fix="for example --batch_size 1 --unlabelled_batch_size 5",
            )
        indices = {
            LABELLED: [i for i, labelled in enumerate(labelled_flags) if labelled],
            UNLABELLED: [i for i, labelled in enumerate(labelled_flags) if not labelled],
        }
        if not indices[LABELLED]:
            raise ConfigError(
                f"none of {len(labelled_flags)} items is labelled",
                expected="at least one labelled item to train with",
                fix="raise --labelled_fraction, or give a data set with labels",
            )
        if unlabelled_batch_size and not indices[UNLABELLED]:
            logger.info("nothing is unlabelled: batches have %d labelled items and no others", batch_size)
            unlabelled_batch_size = 0
        self.batch_size, self.unlabelled_batch_size = batch_size, unlabelled_batch_size
        super().__init__(
            indices,
            common_size=(batch_size + unlabelled_batch_size) * world_size,
            batches_per_epoch=batches_per_epoch or math.ceil(len(indices[LABELLED]) / (batch_size * world_size)),
            seed=seed,
            rank=rank,
            world_size=world_size,
        )

    def shares(self, number: int) -> list[tuple[str, int, int]]:
        """All labelled ones first; over several processes that holds in each."""
        sizes = {LABELLED: self.batch_size * self.world_size, UNLABELLED: self.unlabelled_batch_size * self.world_size}
        return [(kind, number * size, size) for kind, size in sizes.items() if size]
