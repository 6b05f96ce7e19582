"""A network's outputs by name, whether it returns one tensor or a dict.

Dimensions: B batch, C channels, H W rows and columns.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn

IMAGE, PRED = "image", "pred"


def named(output: Tensor | Mapping[str, Tensor]) -> dict[str, Tensor]:
    """A network's output as a dict, ``pred`` first; a lone tensor is called ``pred``."""
    if isinstance(output, Tensor):
        return {PRED: output}
    return {name: output[name] for name in sorted(output, key=lambda name: name != PRED)}


class NamedOutputs(nn.Module):
    """A network whose outputs come as a tuple in the order of their names, as ONNX and TensorRT want them.

    Args:
        network: returns a tensor or a dict of tensors.
        names: of the outputs, in order.
    """

    def __init__(self, network: nn.Module, names: list[str]) -> None:
        super().__init__()
        self.network, self.names = network, names

    def forward(self, image: Tensor) -> tuple[Tensor, ...]:
        """The outputs of images [B,C,H,W]."""
        outputs = named(self.network(image))
        return tuple(outputs[name] for name in self.names)


@torch.no_grad()
def outputs_of(network: nn.Module, image_BCHW: Tensor) -> dict[str, Tensor]:
    """What a network in evaluation mode says of images, by name."""
    return named(network(image_BCHW))


def divisor_of(network: nn.Module) -> int:
    """What has to divide rows and columns of the network's images: the largest that any part of it states, else 1."""
    return max((int(module.divisor) for module in network.modules() if hasattr(module, "divisor")), default=1)  # type: ignore[arg-type]
