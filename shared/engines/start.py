"""A network ready to be trained."""

from __future__ import annotations

from typing import Any

import torch

from shared.networks.weights import load_imagenet, resolve_pretrained


def start_network(*, network: Any, pretrained: str, phantoms: bool, device: torch.device | str) -> torch.nn.Module:
    """Load the backbone's start weights, choose the fast memory layout and move to the device.

    Args:
        network: has a `DilatedResNet` as ``backbone``.
        pretrained: "auto" (ImageNet for real data, scratch for phantoms), "imagenet", "scratch" or a file.
        phantoms: whether the data are phantoms.
        device: where to train.

    Raises:
        CheckpointError: the weights cannot be had or do not fit; never silently random.
    """
    load_imagenet(network.backbone, resolve_pretrained(pretrained, phantoms))
    return network.to(device=device, memory_format=torch.channels_last)
