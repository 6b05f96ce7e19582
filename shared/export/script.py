"""TorchScript: one file that `torch.jit.load` opens without this project."""

from __future__ import annotations

import copy
import io
import json
from collections.abc import Mapping
from typing import Any

import torch
from monai.data import save_net_with_metadata
from torch import Tensor, nn

from shared.errors import ExportError
from shared.export.check import Run
from shared.export.outputs import named

DESCRIPTION = "export.json"


def to_torchscript(network: nn.Module, *, metadata: Mapping[str, Any], description: Mapping[str, Any]) -> bytes:
    """Script a network.

    Args:
        network: in evaluation mode; unchanged. What it returns, a tensor or a dict, its script returns too.
        metadata: of the bundle, stored as MONAI stores it (``metadata.json``).
        description: of the network, stored as ``export.json``; see `shared.export.description`.

    Returns:
        the file's content.

    Raises:
        ExportError: it cannot be scripted.
    """
    content = io.BytesIO()
    try:
        script = torch.jit.script(copy.deepcopy(network))
    except Exception as error:
        raise ExportError(
            f"{type(network).__name__} cannot be scripted: {str(error).strip().splitlines()[0]}",
            expected="a network in the part of Python that TorchScript has",
            fix="export --formats onnx, which traces the network",
        ) from error
    more = {DESCRIPTION: json.dumps(description).encode()}
    save_net_with_metadata(
        script, content, include_config_vals=False, meta_values=dict(metadata), more_extra_files=more
    )
    return content.getvalue()


def run_torchscript(content: bytes) -> Run:
    """The scripted network as a function: images -> outputs by name."""
    script = torch.jit.load(io.BytesIO(content), map_location="cpu").eval()

    def run(image_BCHW: Tensor) -> dict[str, Tensor]:
        with torch.no_grad():
            return named(script(image_BCHW))

    return run
