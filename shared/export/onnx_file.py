"""ONNX: one file that onnxruntime, and much else, runs without PyTorch.

Dimensions: B batch, C channels, H W rows and columns.
"""

from __future__ import annotations

import importlib
import io
import json
import tempfile
import warnings
from collections.abc import Mapping
from contextlib import redirect_stdout
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from shared.choices import check_choice
from shared.errors import ConfigError, ExportError
from shared.export.check import Run
from shared.export.outputs import IMAGE, NamedOutputs, divisor_of, outputs_of
from shared.export.pooling import with_grid_averages

TRACE, DYNAMO = "trace", "dynamo"
EXPORTERS = (TRACE, DYNAMO)
OPSET = 18
# Of the example: both sides differ from each other and from 1, and 32 divides them.
EXAMPLE = (2, 64, 96)
LARGEST_MULTIPLE = 256


def require_onnx() -> None:
    """Raise `ConfigError` unless the packages of the extra `export` are there."""
    for package in ("onnx", "onnxscript", "onnxruntime"):
        try:
            importlib.import_module(package)
        except ImportError as error:
            raise ConfigError(
                f"{package} is not installed, which ONNX needs",
                expected="the extra `export`",
                fix="pip install 'monai-eye-bundles[export]'; --formats torchscript does without it",
            ) from error


def to_onnx(network: nn.Module, *, in_channels: int, description: Mapping[str, Any], exporter: str = TRACE) -> bytes:
    """Export a network with batch, rows and columns left open.

    Args:
        network: in evaluation mode; unchanged. Experts behind a sparse dispatch cannot be exported.
        in_channels: C.
        description: stored in the file's ``metadata_props``, each value as JSON.
        exporter: ``"trace"``, PyTorch's exporter by tracing, or ``"dynamo"``, its newer one by `torch.export`, which
            took 5 to 40 times as long on these networks and gives the same values.

    Returns:
        the file's content: input ``image``, outputs by name with ``pred`` first.

    Raises:
        ConfigError: another exporter, or a package is absent.
        ExportError: the exporter fails.
    """
    check_choice("exporter", exporter, EXPORTERS)
    require_onnx()
    import onnx

    number, height, width = EXAMPLE
    image_BCHW = torch.randn(number, in_channels, height, width, generator=torch.Generator().manual_seed(0))
    outputs = outputs_of(network, image_BCHW)
    export = _traced if exporter == TRACE else _by_dynamo
    try:
        with warnings.catch_warnings(), torch.no_grad(), redirect_stdout(io.StringIO()):
            warnings.simplefilter("ignore")
            flat = NamedOutputs(with_grid_averages(network), list(outputs)).eval()
            model = export(flat, image_BCHW, outputs, divisor_of(network))
    except Exception as error:
        raise ExportError(
            f"{type(network).__name__} cannot be exported to ONNX: {str(error).strip().splitlines()[0]}",
            expected="a network without decisions that depend on the data",
            fix=f"experts need the dense dispatch; or try --exporter {DYNAMO if exporter == TRACE else TRACE}",
        ) from error
    onnx.helper.set_model_props(model, {key: json.dumps(value) for key, value in description.items()})
    onnx.checker.check_model(model)
    return bytes(model.SerializeToString())


def run_onnx(content: bytes, *, threads: int = 0) -> Run:
    """The exported network as a function, by onnxruntime on the CPU: images -> outputs by name.

    Args:
        content: of the file.
        threads: of onnxruntime; 0: its own choice.
    """
    require_onnx()
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    session = onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])
    names = [output.name for output in session.get_outputs()]

    def run(image_BCHW: Tensor) -> dict[str, Tensor]:
        found = session.run(names, {IMAGE: image_BCHW.contiguous().numpy()})
        return {name: torch.from_numpy(value) for name, value in zip(names, found, strict=True)}

    return run


def open_axes(outputs: Mapping[str, Tensor], image_BCHW: Tensor) -> dict[str, dict[int, str]]:
    """Axes whose size is known only when the network runs: the batch, and rows and columns of image and maps."""
    plane = {2: "height", 3: "width"}
    axes = {IMAGE: {0: "batch"} | plane}
    for name, value in outputs.items():
        is_map = value.dim() == 4 and value.shape[2:] == image_BCHW.shape[2:]
        axes[name] = {0: "batch"} | (plane if is_map else {})
    return axes


def _traced(network: nn.Module, image_BCHW: Tensor, outputs: Mapping[str, Tensor], divisor: int) -> Any:
    import onnx

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.onnx"
        torch.onnx.export(
            network,
            (image_BCHW,),
            path,
            dynamo=False,
            opset_version=OPSET,
            input_names=[IMAGE],
            output_names=list(outputs),
            dynamic_axes=open_axes(outputs, image_BCHW),
        )
        return onnx.load(path)


def _by_dynamo(network: nn.Module, image_BCHW: Tensor, outputs: Mapping[str, Tensor], divisor: int) -> Any:
    height, width = (torch.export.Dim(name, min=2, max=32 * LARGEST_MULTIPLE // divisor) for name in ("h", "w"))
    rows, columns = (divisor * height, divisor * width) if divisor > 1 else (height, width)
    program = torch.onnx.export(
        network,
        (image_BCHW,),
        dynamo=True,
        input_names=[IMAGE],
        output_names=list(outputs),
        dynamic_shapes=({0: torch.export.Dim("batch"), 2: rows, 3: columns},),
        verbose=False,
    )
    assert program is not None
    return program.model_proto
