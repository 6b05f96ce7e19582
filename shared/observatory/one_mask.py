"""One mask of a network with several outputs, as two classes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from shared.errors import ConfigError

PRED = "pred"


class MaskPlace(NamedTuple):
    """Where a mask task is: ``channel`` of ``masks`` and `PRED`, ``task`` among all tasks (of ``labelled``)."""

    channel: int
    task: int


class MaskAsClasses(nn.Module):
    """Logits [B,2,H,W] of background and one mask: 0 and the mask's logit, so that the softmax is its sigmoid.

    Args:
        network: returns a mapping with ``pred``, mask logits [B,S,H,W].
        channel: of the mask.
    """

    def __init__(self, network: nn.Module, *, channel: int) -> None:
        super().__init__()
        self.network, self.channel = network, channel

    def forward(self, image_BCHW: Tensor) -> Tensor:
        """Logits [B,2,H,W]."""
        logit_B1HW = self.network(image_BCHW)[PRED][:, self.channel : self.channel + 1]
        return torch.cat([torch.zeros_like(logit_B1HW), logit_B1HW], dim=1)


def find_mask(mask: str, tasks: Sequence[Mapping[str, Any]]) -> MaskPlace:
    """The place of a mask task by its name.

    Args:
        tasks: each with ``name`` and ``kind``, as networks of several tasks are given them.

    Raises:
        ConfigError: no mask task has this name.
    """
    names = [task["name"] for task in tasks if task["kind"] == "mask"]
    if mask not in names:
        raise ConfigError(
            f"SnapshotSaver's mask is {mask!r}",
            expected=f"one of the mask tasks {', '.join(names) or '(none: are `tasks` given?)'}",
            fix='give "mask" a task\'s name and "tasks": "@tasks"',
        )
    return MaskPlace(names.index(mask), [task["name"] for task in tasks].index(mask))
