"""TensorRT in place of the network, by MONAI's `trt_compile`, for the overlays `inference_trt.json`.

Dimensions: B batch, C channels, H W rows and columns.
"""

from __future__ import annotations

import importlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from monai.networks import trt_compile
from torch import Tensor, nn

from shared.errors import ConfigError
from shared.export.outputs import IMAGE, NamedOutputs, named
from shared.export.pooling import with_grid_averages

PACKAGES = ("tensorrt", "polygraphy")
LEAST = 64


class TensorRTNetwork(nn.Module):
    """A network that answers through a TensorRT engine, with the original's outputs and parameter names.

    `trt_compile` builds the engine at the first image, by way of ONNX, and keeps it as a file; TensorRT knows no dict,
    so the engine's outputs are a list here and get their names back. Without TensorRT or a GPU `trt_compile` changes
    nothing, and the network answers itself: `tensorrt_network` refuses that.

    Args:
        network: returns a tensor or a dict of tensors; experts must be dispatched densely.
        in_channels: C.
        plan: the engine's file, without the ending ``.plan`` that is added.
        arguments: of MONAI's `TrtCompiler`, such as ``precision`` or ``input_profiles`` (of ``image``).
    """

    def __init__(
        self, network: nn.Module, *, in_channels: int, plan: str | Path, arguments: Mapping[str, Any] | None = None
    ) -> None:
        super().__init__()
        network = network.eval()
        with torch.no_grad():
            example = network(_zeros(in_channels, next(network.parameters()).device))
        self.names, self.single = list(named(example)), isinstance(example, Tensor)
        flat = NamedOutputs(with_grid_averages(network), self.names).eval()
        options = {"input_names": [IMAGE], "output_names": self.names} | dict(arguments or {})
        self.engine = trt_compile(flat, str(plan), args=options)

    def state_dict(self, *arguments: Any, **more: Any) -> dict[str, Any]:  # type: ignore[override]
        """Of the original network, so that its weights fit."""
        return self.engine.network.state_dict(*arguments, **more)  # type: ignore[union-attr]

    def load_state_dict(self, state_dict: Mapping[str, Any], *arguments: Any, **more: Any) -> Any:
        """Into the original network; before the first image, when the engine is built."""
        return self.engine.network.load_state_dict(state_dict, *arguments, **more)  # type: ignore[union-attr]

    def forward(self, image_BCHW: Tensor) -> Tensor | dict[str, Tensor]:
        """What the original returns."""
        found = self.engine(image_BCHW)
        values = [found[name] for name in self.names] if isinstance(found, Mapping) else list(found)
        return values[0] if self.single else dict(zip(self.names, values, strict=True))


def tensorrt_network(
    *,
    network: nn.Module,
    in_channels: int,
    image_size: Sequence[int],
    batch_size: int,
    ckpt_path: str,
    arguments: Mapping[str, Any] | None = None,
) -> TensorRTNetwork:
    """The network of `inference_trt.json`; its engine lies beside the weights, and is built anew when they change.

    Args:
        network, in_channels: of `TensorRTNetwork`.
        image_size, batch_size: of `input_profile`.
        ckpt_path: the weights; the engine's file is called as they are, with ``.plan`` behind.
        arguments: of MONAI's `TrtCompiler`, in place of the ones given here.

    Raises:
        ConfigError: no GPU, or TensorRT or polygraphy is not installed.
    """
    check_tensorrt()
    profile = input_profile(in_channels, image_size, batch_size=batch_size)
    options = {"input_profiles": [profile], "export_args": {"dynamo": False}} | dict(arguments or {})
    return TensorRTNetwork(network, in_channels=in_channels, plan=ckpt_path, arguments=options)


def input_profile(in_channels: int, image_size: Sequence[int], *, batch_size: int) -> dict[str, list[list[int]]]:
    """The smallest, usual and largest images of an engine: 64 pixels a side or less, the bundle's, twice its sides."""
    smallest = [min(LEAST, side) for side in image_size]
    largest = [2 * side for side in image_size]
    sizes = ((1, smallest), (1, image_size), (batch_size, largest))
    return {IMAGE: [[number, in_channels, *size] for number, size in sizes]}


def check_tensorrt() -> None:
    """Raise `ConfigError` unless TensorRT can run here: `trt_compile` itself would only warn and go on without it."""
    missing = []
    for package in PACKAGES:
        try:
            importlib.import_module(package)
        except ImportError:
            missing.append(package)
    problems = [f"{package} is not installed" for package in missing]
    problems += [] if torch.cuda.is_available() else ["PyTorch sees no NVIDIA GPU"]
    if problems:
        raise ConfigError(
            f"inference_trt.json cannot run here: {', '.join(problems)}",
            expected="an NVIDIA GPU, a CUDA build of PyTorch, tensorrt and polygraphy",
            fix="pip install tensorrt polygraphy on a machine with such a GPU, or leave inference_trt.json out",
        )


def _zeros(in_channels: int, device: torch.device) -> Tensor:
    return torch.zeros(1, in_channels, LEAST, LEAST, device=device)
