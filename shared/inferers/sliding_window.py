"""Sliding windows for a network with maps and vectors among its outputs; MONAI's inferer stitches maps only."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from monai.inferers import SlidingWindowInferer
from torch import Tensor

MAP = "pred"
NEEDED = "needed_BT"


class MultiTaskSlidingWindowInferer(SlidingWindowInferer):
    """MONAI's `SlidingWindowInferer` for a dict of maps [B,S,H,W] and per-image tensors [B,...].

    Maps are blended as MONAI does. A per-image tensor (grade logits, gates) is averaged over the windows of its image,
    all windows alike.

    Args:
        roi_size, sw_batch_size, overlap, mode, ...: as in MONAI.
    """

    def __call__(self, inputs: Tensor, network: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        """The network's outputs for the whole images: ``pred`` [B,S,H,W] and the other entries [B,...]."""
        batch = inputs.shape[0]
        if batch != 1:
            own = [
                {key: value[b : b + 1] if key == NEEDED else value for key, value in kwargs.items()}
                for b in range(batch)
            ]
            parts = [self(inputs[b : b + 1], network, *args, **own[b]) for b in range(batch)]
            return {key: torch.cat([part[key] for part in parts]) for key in parts[0]}
        sums: dict[str, Tensor] = {}
        count = 0

        def maps_only(windows: Tensor, *more: Any, **keywords: Any) -> Tensor:
            nonlocal count
            if NEEDED in keywords:
                keywords[NEEDED] = keywords[NEEDED].expand(windows.shape[0], -1)
            outputs = network(windows, *more, **keywords)
            for key, value in outputs.items():
                if key != MAP:
                    total = value.float().sum(0, keepdim=True)
                    sums[key] = sums[key] + total if key in sums else total
            count += windows.shape[0]
            return outputs[MAP].float()

        maps = super().__call__(inputs, maps_only, *args, **kwargs)
        return {MAP: maps} | {key: value / count for key, value in sums.items()}
