"""One image, one loss: what becomes of a trained network that sees nothing else."""

from __future__ import annotations

import copy

import torch
from torch import Tensor, nn

from shared.losses.segmentation import SegmentationLoss


def fine_tune(
    network: nn.Module,
    image_1CHW: Tensor,
    label_11HW: Tensor,
    *,
    loss: SegmentationLoss,
    steps: int = 1000,
    rate: float = 1e-5,
    states: int = 10,
) -> dict[int, Tensor]:
    """Train a copy of a network on one image with Adam, normalisation and dropout as in evaluation.

    Args:
        network: left as it is.
        image_1CHW: as the network takes it.
        label_11HW: class indices.
        loss: to train with.
        steps: of Adam.
        rate: its learning rate.
        states: how many logits are kept on the way, evenly, beside those before the first step.

    Returns:
        logits [1,K,H,W] by step, of 0 and of the last step among others.
    """
    twin = copy.deepcopy(network).eval()
    optimizer = torch.optim.Adam(twin.parameters(), lr=rate)
    kept = {round(place * steps / states) for place in range(states + 1)}
    found: dict[int, Tensor] = {}
    for step in range(steps + 1):
        with torch.set_grad_enabled(step < steps):
            logits_1KHW = twin(image_1CHW)
            if step in kept:
                found[step] = logits_1KHW.detach().clone()
            if step == steps:
                break
            optimizer.zero_grad()
            loss(logits_1KHW, label_11HW).backward()
            optimizer.step()
    return found
