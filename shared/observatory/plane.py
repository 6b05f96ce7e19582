"""A plane in the space of a network's weights."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from typing import NamedTuple

import torch
from torch import Tensor, nn

from shared.errors import ConfigError

Weights = Mapping[str, Tensor]


class Plane(NamedTuple):
    """All weights ``centre + alpha first + beta second``, by parameter name; buffers are no part of it.

    ``title`` says which plane, for figures and saved grids.
    """

    centre: Weights
    first: Weights
    second: Weights
    title: str

    def point(self, alpha: float, beta: float) -> dict[str, Tensor]:
        """The weights at a point, exactly the centre's at 0, 0."""
        return {
            name: value if alpha == beta == 0 else value + alpha * self.first[name] + beta * self.second[name]
            for name, value in self.centre.items()
        }

    @property
    def cosine(self) -> float:
        """Cosine of the angle between the directions: 0 where distances on a picture of the plane are true."""
        norms = norm(self.first) * norm(self.second)
        return dot(self.first, self.second) / norms if norms else 0.0


def trained_weights(network: nn.Module) -> dict[str, Tensor]:
    """Copies of all floating-point parameters, by name."""
    return {name: value.detach().clone() for name, value in network.named_parameters() if value.is_floating_point()}


def dot(first: Weights, second: Weights) -> float:
    """Scalar product over all parameters, summed in float64."""
    return sum(float((value.double() * second[name].double()).sum()) for name, value in first.items())


def norm(weights: Weights) -> float:
    """Length over all parameters."""
    return dot(weights, weights) ** 0.5


def check_plane(plane: Plane, network: nn.Module) -> None:
    """Refuse a plane of another network.

    Raises:
        ConfigError: names or shapes differ, with the first that does.
    """
    own = trained_weights(network)
    for part, weights in (
        ("centre", plane.centre),
        ("first direction", plane.first),
        ("second direction", plane.second),
    ):
        if difference := _difference(weights, own):
            raise ConfigError(
                f"the plane's {part} is of another network: {difference}",
                expected=f"the {len(own)} parameters of {type(network).__name__}, in their shapes",
                fix="make the plane for this network, from its own weights and snapshots",
            )


def digest(tensors: Iterable[Tensor]) -> str:
    """SHA-256 over shapes, types and bytes."""
    found = hashlib.sha256()
    for tensor in tensors:
        content = tensor.detach().cpu().contiguous()
        found.update(f"{tuple(content.shape)} {content.dtype}".encode())
        found.update(content.reshape(-1).view(torch.uint8).numpy().tobytes())
    return found.hexdigest()


def _difference(weights: Weights, own: Weights) -> str:
    for name in sorted(weights.keys() ^ own.keys()):
        return f"{name} is {'missing' if name in own else 'not known'}"
    for name, value in weights.items():
        if value.shape != own[name].shape:
            return f"{name} is {tuple(value.shape)}, the network's {tuple(own[name].shape)}"
    return ""
