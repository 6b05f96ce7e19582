"""What a channel looks for (activation maximisation) and which part of an image speaks for a class (Grad-CAM).

Sources: Erhan et al., "Visualizing Higher-Layer Features of a Deep Network", 2009: the image of a given norm that
excites a unit most. Selvaraju et al., "Grad-CAM", ICCV 2017, by MONAI.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from monai.visualize import GradCAM
from torch import Tensor, nn

from shared.errors import ConfigError
from shared.networks.modes import evaluating


class ClassScore(nn.Module):
    """Class maps [B,K,H,W] -> a score per class [B,K], the mean logit, which Grad-CAM needs."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, image_BCHW: Tensor) -> Tensor:
        """Mean logits [B,K]."""
        return self.network(image_BCHW).mean((2, 3))


def layers_of(network: nn.Module) -> list[str]:
    """Names of all layers with maps of their own: convolutions, plain or transposed."""
    return [name for name, module in network.named_modules() if isinstance(module, (nn.Conv2d, nn.ConvTranspose2d))]


def class_activation(network: nn.Module, image_BCHW: Tensor, *, layer: str, class_index: int) -> Tensor:
    """Grad-CAM [B,H,W] of a class: 0 or more, not normalised, at the image's size.

    Args:
        network: returns class maps; evaluated.
        image_BCHW: as the network takes it.
        layer: whose maps are weighted by the mean gradient of the class's mean logit.
        class_index: of the network's output.

    Raises:
        ConfigError: there is no such layer.
    """
    find_layer(network, layer)
    with evaluating(network), torch.enable_grad():
        camera = GradCAM(ClassScore(network), target_layers=f"network.{layer}", postprocessing=_as_is)
        try:
            return camera(image_BCHW.clone(), class_idx=class_index)[:, 0].detach()
        finally:
            network.zero_grad(set_to_none=True)


def most_exciting(
    network: nn.Module,
    *,
    layer: str,
    channel: int,
    shape: tuple[int, int, int],
    norm: float,
    steps: int = 128,
    rate: float = 0.2,
    seed: int = 0,
) -> Tensor:
    """The image [C,H,W] of a given length that excites a channel's mean most, by gradient ascent on the sphere.

    Each step goes ``rate * norm`` along the normalised gradient and back to the sphere, ever shorter. The start is
    noise: another seed may find another image.

    Args:
        network: evaluated.
        layer: before its activation function.
        channel: of the layer.
        shape: C, H, W.
        norm: Euclidean length of the image; around 0.
        steps: of the ascent.
        rate: first step's length.
        seed: of the start.

    Raises:
        ConfigError: there is no such layer or channel, or it depends on no image.
    """
    module = find_layer(network, layer)
    device = next(iter(network.parameters())).device
    start = torch.randn(shape, generator=torch.Generator().manual_seed(seed)).to(device)
    image_CHW = norm * start / start.norm()
    with evaluating(network), torch.enable_grad():
        for step in range(steps):
            image_CHW = image_CHW.detach().requires_grad_()
            with listening(module) as heard:
                network(image_CHW[None])
            if not 0 <= channel < heard[0].shape[1]:
                raise ConfigError(
                    f"channel {channel} of {layer}", expected=f"0 to {heard[0].shape[1] - 1}", fix="correct the channel"
                )
            (gradient_CHW,) = torch.autograd.grad(heard[0][0, channel].mean(), image_CHW)
            length = float(gradient_CHW.norm())
            if not length > 0:
                raise ConfigError(
                    f"channel {channel} of {layer} does not change with the image",
                    expected="a channel that is alive",
                    fix="choose another channel, or another --seed",
                )
            ahead = image_CHW.detach() + rate * (1 - step / steps) * norm * gradient_CHW / length
            image_CHW = norm * ahead / ahead.norm()
    return image_CHW.detach()


@contextmanager
def listening(module: nn.Module) -> Iterator[list[Tensor]]:
    """Within it, outputs of the module are appended to the list."""
    heard: list[Tensor] = []
    handle = module.register_forward_hook(lambda _module, _inputs, output: heard.append(output))
    try:
        yield heard
    finally:
        handle.remove()


def find_layer(network: nn.Module, layer: str) -> nn.Module:
    """The module called ``layer``.

    Raises:
        ConfigError: there is none, with those there are.
    """
    known = dict(network.named_modules())
    if not layer or layer not in known:
        raise ConfigError(
            f"there is no layer {layer!r}", expected=f"one of {', '.join(layers_of(network))}", fix="correct --layer"
        )
    return known[layer]


def _as_is(maps: Tensor) -> Tensor:
    return maps
