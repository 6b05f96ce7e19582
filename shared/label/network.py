"""A network that goes on learning from the weights it has."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from torch import nn

from shared.handlers.load import load_weights, read_tensors


def network_from(*, network: Any, path: str | Path, device: torch.device | str) -> nn.Module:
    """Load weights and move to the device, in the fast memory layout.

    Raises:
        CheckpointError: no such weights, or of another network.
    """
    load_weights(network, read_tensors(path), source=path)
    return network.to(device=device, memory_format=torch.channels_last)
