"""Soft sharing: an encoder for each task, whose maps are mixed after every level.

Dimensions: T tasks, B batch, C channels, H W rows and columns.

Source: Misra, Shrivastava, Gupta and Hebert, "Cross-stitch Networks for Multi-task Learning", CVPR 2016, equation 1:
one weight for each channel and pair of tasks, after every pooling layer, begun near a task's own map.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from shared.errors import ConfigError


class CrossStitch(nn.Module):
    """``mixed_s = sum over t of weights_st * map_t``, for every channel by itself.

    Args:
        num_tasks: T.
        channels: C.
        self_weight: where a task's weight of its own map begins (paper: .9); the others share the rest.

    Raises:
        ConfigError: ``self_weight`` is not in 0..1.
    """

    def __init__(self, num_tasks: int, channels: int, *, self_weight: float = 0.9) -> None:
        super().__init__()
        if not 0 <= self_weight <= 1:
            raise ConfigError(f"self_weight is {self_weight}", expected="0 to 1", fix="correct `self_weight`")
        others = (1 - self_weight) / (num_tasks - 1) if num_tasks > 1 else 0.0
        own = self_weight if num_tasks > 1 else 1.0
        weights_TT = torch.full((num_tasks, num_tasks), others).fill_diagonal_(own)
        self.weights = nn.Parameter(weights_TT[:, :, None].repeat(1, 1, channels))

    def forward(self, maps: list[Tensor]) -> list[Tensor]:
        """T maps [B,C,H,W] -> T maps of the same shape."""
        mixed: list[Tensor] = []
        for rows_TC in self.weights:
            out_BCHW = torch.zeros_like(maps[0])
            for place, map_BCHW in enumerate(maps):
                out_BCHW = out_BCHW + rows_TC[place][None, :, None, None] * map_BCHW
            mixed.append(out_BCHW)
        return mixed


class CrossStitchEncoder(nn.Module):
    """Images [B,C,H,W] -> for each task, in order, the maps of all levels after their cross-stitch.

    The weights move slowly at a network's learning rate (the paper gives them 100 to 1000 times the rate); begun at 1
    (and so 0 for the others) the tasks are separate networks until a gradient says otherwise.

    Args:
        encoders: one for each task, alike; see `shared.networks.levels`.
        level_channels: of their maps.
        self_weight: see `CrossStitch`.
    """

    def __init__(
        self, encoders: Sequence[nn.Module], *, level_channels: Sequence[int], self_weight: float = 0.9
    ) -> None:
        super().__init__()
        self.encoders = nn.ModuleList(encoders)
        self.stitches = nn.ModuleList(
            CrossStitch(len(self.encoders), channels, self_weight=self_weight) for channels in level_channels
        )

    def forward(self, image_BCHW: Tensor) -> list[list[Tensor]]:
        maps = [image_BCHW for _ in self.encoders]
        found: list[list[Tensor]] = []
        for _ in self.encoders:
            of_task: list[Tensor] = []
            found.append(of_task)
        for number, stitch in enumerate(self.stitches):
            own: list[Tensor] = []
            for place, encoder in enumerate(self.encoders):
                own.append(encoder.level(number, maps[place]))  # type: ignore[operator]
            maps = stitch(own)
            for place, map_BCHW in enumerate(maps):
                found[place].append(map_BCHW)
        return found
