"""A network ready to be trained."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn

from shared.engines.consistency import ConsistencyMethod
from shared.errors import ConfigError
from shared.networks.student_teacher import make_peer, make_teacher
from shared.networks.weights import AUTO, SCRATCH, load_imagenet, resolve_pretrained


def start_network(*, network: Any, pretrained: str, phantoms: bool, device: torch.device | str) -> torch.nn.Module:
    """Load the backbone's start weights, choose the fast memory layout and move to the device.

    Args:
        network: has its ``encoder`` (FlexibleUNet) or its ``backbone``, or lists its ``backbones()``, which then start
            alike, see `load_imagenet`; or says ``from_scratch``.
        pretrained: "auto" (ImageNet for real data, scratch for phantoms), "imagenet", "scratch" or a file.
        phantoms: whether the data are phantoms.
        device: where to train.

    Raises:
        CheckpointError: the weights cannot be had or do not fit; never silently random.
        ConfigError: weights are asked for a network that has none.
    """
    if getattr(network, "from_scratch", False):
        if pretrained not in (AUTO, SCRATCH):
            raise ConfigError(
                f"pretrained {pretrained!r} for a {type(network).__name__}, for which there are no such weights",
                expected=f"{SCRATCH} or {AUTO}",
                fix="leave `pretrained` out, or choose another `backbone`",
            )
        return network.to(device=device, memory_format=torch.channels_last)
    source = resolve_pretrained(pretrained, phantoms)
    parts = network.backbones() if hasattr(network, "backbones") else [getattr(network, "encoder", None)]
    for part in parts:
        load_imagenet(part or network.backbone, source)
    return network.to(device=device, memory_format=torch.channels_last)


def start_teacher(*, network: nn.Module, method: ConsistencyMethod, seed: int = 0) -> nn.Module:
    """The second network of a semi-supervised run: a peer to be trained, if the method wants one, else a copy that is
    averaged.

    Args:
        network: the student, ready to be trained.
        method: see `shared.engines.consistency.make_method`.
        seed: of a peer's weights.
    """
    return make_peer(network, seed=seed + 1) if method.trains_teacher else make_teacher(network)


def trained_parameters(*, student: nn.Module, teacher: nn.Module | None = None) -> list[nn.Parameter]:
    """What the optimiser gets: the student's parameters and a peer's; an averaged teacher's take no gradient."""
    networks = [student] if teacher is None else [student, teacher]
    return [parameter for network in networks for parameter in network.parameters() if parameter.requires_grad]
