"""Random directions whose filters are as long as the network's.

Source: Li et al., "Visualizing the Loss Landscape of Neural Nets", NeurIPS 2018, section 4: a network that is scaled
layer by layer and computes the same has the same picture only if directions are scaled with it.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from shared.errors import ConfigError
from shared.observatory.plane import Plane, Weights, trained_weights

TRANSPOSED = (nn.ConvTranspose1d, nn.ConvTranspose2d, nn.ConvTranspose3d)
VECTORS = ("still", "scaled")


def random_plane(network: nn.Module, *, seed: int, vectors: str = "still") -> Plane:
    """A plane through the network's weights along two random directions.

    Args:
        network: gives centre and filter norms.
        seed: same seed, same plane, on any device.
        vectors: biases and normalisation parameters (1-D) are left "still" (as published) or "scaled" each as one
            filter.
    """
    generator = torch.Generator().manual_seed(seed)
    first, second = (random_direction(network, generator=generator, vectors=vectors) for _ in range(2))
    return Plane(trained_weights(network), first, second, f"random plane {seed}, filter-normalised")


def random_direction(network: nn.Module, *, generator: torch.Generator, vectors: str = "still") -> dict[str, Tensor]:
    """One Gaussian direction, filter-normalised.

    Raises:
        ConfigError: for another word for ``vectors``.
    """
    if vectors not in VECTORS:
        raise ConfigError(f"vectors={vectors!r}", expected=f"one of {', '.join(VECTORS)}", fix="correct the word")
    weights = trained_weights(network)
    noise = {name: torch.randn(value.shape, generator=generator).to(value) for name, value in weights.items()}
    axes = filter_axes(network)
    return {
        name: torch.zeros_like(value)
        if value.dim() < 2 and vectors == "still"
        else _as_long_as(value, noise[name], axis=axes.get(name, 0))
        for name, value in weights.items()
    }


def filter_norms(weights: Weights, network: nn.Module) -> dict[str, Tensor]:
    """Norm of each filter of each parameter (1-D parameters: of the whole), by name."""
    axes = filter_axes(network)
    return {name: _norms(value, axis=axes.get(name, 0)).flatten() for name, value in weights.items()}


def filter_axes(network: nn.Module) -> dict[str, int]:
    """The axis that counts filters where it is not the first: 1 for weights of transposed convolutions."""
    return {
        f"{name}.weight".lstrip("."): 1 for name, module in network.named_modules() if isinstance(module, TRANSPOSED)
    }


def _norms(value: Tensor, *, axis: int) -> Tensor:
    others = [place for place in range(value.dim()) if place != axis] if value.dim() > 1 else list(range(value.dim()))
    return value.double().square().sum(others, keepdim=True).sqrt() if others else value.double().abs()


def _as_long_as(value: Tensor, noise: Tensor, *, axis: int) -> Tensor:
    scale = _norms(value, axis=axis) / _norms(noise, axis=axis).clamp_min(torch.finfo(torch.float64).tiny)
    return (noise.double() * scale).to(value.dtype)
