"""BatchNorm away from trained weights: its stored means belong to other weights than those looked at."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager

import torch
from torch import Tensor, nn
from torch.func import functional_call
from torch.nn.modules.batchnorm import _BatchNorm

FROZEN, REESTIMATED = "frozen", "reestimated"
MODES = (FROZEN, REESTIMATED)


def reestimated_buffers(
    network: nn.Module, weights: Mapping[str, Tensor], images: Iterable[Tensor]
) -> dict[str, Tensor]:
    """Buffers with means and variances of the given images under ``weights``: the plain average over batches.

    Layers are estimated together, each on the outputs of layers before it that normalise by the batch at hand, as in
    training; dropout stays off. The network itself is not changed.

    Args:
        network: any.
        weights: parameters by name.
        images: batches as the network takes them.
    """
    buffers = {name: value.detach().clone() for name, value in network.named_buffers()}
    for name, module in network.named_modules():
        if isinstance(module, _BatchNorm):
            for key, _ in module.named_buffers(recurse=False):
                buffers[f"{name}.{key}".lstrip(".")].zero_()
    with torch.no_grad(), estimating(network):
        for image in images:
            functional_call(network, {**weights, **buffers}, (image,))
    return buffers


@contextmanager
def estimating(network: nn.Module) -> Iterator[None]:
    """Within it, BatchNorm averages over all batches that pass and everything else is in evaluation mode."""
    modes = {module: module.training for module in network.modules()}
    layers = {module: module.momentum for module in network.modules() if isinstance(module, _BatchNorm)}
    try:
        network.eval()
        for layer in layers:
            layer.train()
            layer.momentum = None
        yield
    finally:
        for layer, momentum in layers.items():
            layer.momentum = momentum
        for module, training in modes.items():
            module.training = training
