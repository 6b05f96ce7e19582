"""Averages on a grid of fixed size, for images whose size is known only when the network runs.

Dimensions: B batch, C channels, H W rows and columns of a map, O P of the grid.
"""

from __future__ import annotations

import copy

import torch
from torch import Tensor, nn


class GridAverage(nn.Module):
    """`torch.nn.AdaptiveAvgPool2d` as two matrix products: [B,C,H,W] -> [B,C,O,P].

    ONNX has no adaptive pooling. PyTorch's exporter unrolls it for the size of the example: at other sizes the exported
    network then gives wrong numbers, or none. Here the cells are worked out from the map's size when it is known.

    Args:
        output_size: O and P, or one number for both.
    """

    def __init__(self, output_size: int | tuple[int, int]) -> None:
        super().__init__()
        self.rows, self.columns = (output_size, output_size) if isinstance(output_size, int) else output_size

    def forward(self, map_BCHW: Tensor) -> Tensor:
        """The mean of every cell; neighbouring cells overlap where sizes do not divide."""
        rows_OH = cells(map_BCHW.shape[2], self.rows, like=map_BCHW)
        columns_PW = cells(map_BCHW.shape[3], self.columns, like=map_BCHW)
        return rows_OH @ map_BCHW @ columns_PW.t()


def cells(size: int, number: int, *, like: Tensor) -> Tensor:
    """[number, size]: each row averages the pixels from ``floor(i size / number)`` to ``ceil((i + 1) size / number)``.

    Compared without a division: ``j >= floor(a / n)`` is ``(j + 1) n > a``, and ``j < ceil(b / n)`` is ``j n < b``.
    """
    pixel = torch.arange(size, device=like.device)[None, :]
    cell = torch.arange(number, device=like.device)[:, None]
    inside = ((pixel + 1) * number > cell * size) & (pixel * number < (cell + 1) * size)
    weights = inside.to(like.dtype)
    return weights / weights.sum(dim=1, keepdim=True)


def with_grid_averages(network: nn.Module) -> nn.Module:
    """A copy of a network, with the same weights, whose adaptive pools are `GridAverage`; a global mean stays."""
    changed = copy.deepcopy(network)
    for module in list(changed.modules()):
        for name, child in module.named_children():
            if isinstance(child, nn.AdaptiveAvgPool2d) and child.output_size not in (1, (1, 1)):
                setattr(module, name, GridAverage(child.output_size))  # type: ignore[arg-type]
    return changed
