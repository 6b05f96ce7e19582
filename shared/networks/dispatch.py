"""Dispatch: run experts on the rows of a batch that a router sent to them, and mix their outputs.

Dimensions: B batch, E experts. An expert is a module ``expert(inputs: list[Tensor]) -> Tensor`` whose inputs and output
share the batch axis, with ``output_shape(inputs) -> list[int]``, the shape of its output.

Both dispatches compute ``mixed_b = sum over e of weights_be * expert_e(inputs_b)`` over the selected pairs (b, e), and
give equal values and gradients as long as an expert treats rows independently. BatchNorm in training mode does not: the
sparse dispatch shows it only the rows routed to its expert. Rows that no expert serves are zeros.
"""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import Tensor, nn


def take_rows(tensor: Tensor, rows: Tensor | None) -> Tensor:
    """Rows of the first axis, ``rows`` ascending on the CPU; consecutive ones come as a view. ``None`` means all."""
    if rows is None:
        return tensor
    first, count = int(rows[0]), rows.numel()
    if int(rows[count - 1]) - first + 1 == count:
        return tensor.narrow(0, first, count)
    return tensor.index_select(0, rows.to(tensor.device))


def put_rows(values: Tensor, rows: Tensor | None, num_rows: int) -> Tensor:
    """Zeros with ``num_rows`` rows, and ``values`` at ``rows``: the reverse of `take_rows`."""
    if rows is None or rows.numel() == num_rows:
        return values
    shape = list(values.shape)
    shape[0] = num_rows
    return values.new_zeros(shape).index_add(0, rows.to(values.device), values)


def weigh(output: Tensor, weights_B: Tensor) -> Tensor:
    """Each row of ``output`` times its weight, in the weights' precision."""
    return output * weights_B.reshape([-1] + [1] * (output.dim() - 1))


class DenseDispatch(nn.Module):
    """Every expert on every row; unselected outputs are multiplied by 0. No data-dependent control flow: exportable."""

    def __init__(self, experts: Iterable[nn.Module]) -> None:
        super().__init__()
        self.experts = nn.ModuleList(experts)

    def forward(self, inputs: list[Tensor], weights_BE: Tensor, selected_BE: Tensor) -> Tensor:
        """Mix the experts' outputs.

        Args:
            inputs: what each expert reads, all with B rows.
            weights_BE: weight of each expert for each row.
            selected_BE: bool; where false, the weight counts as 0.

        Returns:
            [B, ...] in the precision of the weights.
        """
        weights_BE = weights_BE * selected_BE
        shape: list[int] = self.experts[0].output_shape(inputs)  # type: ignore[operator]
        mixed = torch.zeros(shape, dtype=weights_BE.dtype, device=weights_BE.device)
        for index, expert in enumerate(self.experts):
            mixed = mixed + weigh(expert(inputs), weights_BE[:, index])
        return mixed


class SparseDispatch(nn.Module):
    """Each expert on the rows that selected it, and not at all if none did.

    One transfer of ``selected_BE`` to the host for each call. All rows, or consecutive ones, are not copied.
    """

    def __init__(self, experts: Iterable[nn.Module]) -> None:
        super().__init__()
        self.experts = nn.ModuleList(experts)

    def forward(self, inputs: list[Tensor], weights_BE: Tensor, selected_BE: Tensor) -> Tensor:
        """Mix the experts' outputs; arguments and result as in `DenseDispatch`."""
        num_rows = weights_BE.shape[0]
        shape: list[int] = self.experts[0].output_shape(inputs)  # type: ignore[operator]
        mixed = torch.zeros(shape, dtype=weights_BE.dtype, device=weights_BE.device)
        selected_EB = selected_BE.t().cpu()
        for index, expert in enumerate(self.experts):
            rows = selected_EB[index].nonzero().flatten()
            if rows.numel() == num_rows:
                mixed = mixed + weigh(expert(inputs), weights_BE[:, index])
            elif rows.numel() > 0:
                output = expert([take_rows(tensor, rows) for tensor in inputs])
                weighed = weigh(output, take_rows(weights_BE[:, index], rows))
                mixed = mixed.index_add(0, rows.to(mixed.device), weighed)
        return mixed
