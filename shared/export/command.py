"""The command `python -m shared export`."""

from __future__ import annotations

import time
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

from torch import Tensor, nn

from shared.choices import check_choice
from shared.errors import ConfigError
from shared.export.check import TOLERANCE, check_equal, random_images
from shared.export.description import describe
from shared.export.images import real_images
from shared.export.onnx_file import EXPORTERS, TRACE, require_onnx, run_onnx, to_onnx
from shared.export.outputs import divisor_of, outputs_of
from shared.export.script import run_torchscript, to_torchscript
from shared.export.trained import Trained
from shared.files import atomic_write

TORCHSCRIPT, ONNX = "torchscript", "onnx"
FILES = {TORCHSCRIPT: "model.ts", ONNX: "model.onnx"}
DENSE = "dense"


class Exported(NamedTuple):
    """An exported network: its file's content, its description, and its largest difference by image."""

    content: bytes
    description: dict[str, Any]
    differences: dict[str, float]
    seconds: float


def export(
    bundle: str,
    *,
    formats: str = "torchscript,onnx",
    ckpt_path: str = "",
    output_dir: str = "",
    image_size: Any = None,
    dispatch: str = "",
    exporter: str = TRACE,
    check_images: str = "",
    tolerance: float = TOLERANCE,
) -> None:
    """Write a trained network as TorchScript (model.ts) and ONNX (model.onnx), each checked against the original.

    Batch, rows and columns stay open. Nothing is written unless all formats give what the network gives, on random
    images of several sizes and, where given, on real ones. The files say themselves what goes in and what comes out.

    Args:
        bundle: the bundle's folder, such as bundles/idrid_moe_mtl.
        formats: torchscript, onnx or both, with a comma.
        ckpt_path: the weights, with what is recorded beside them; default: the bundle's models/model.pt.
        output_dir: where the files go; default: the bundle's models folder.
        image_size: rows and columns of the images that are compared, such as '[512,512]'; default: the bundle's.
        dispatch: how TorchScript runs experts, sparse or dense; default: as inference.json does. ONNX is always dense.
        exporter: of ONNX: trace, or dynamo, PyTorch's newer and slower one.
        check_images: a file or folder of real images to compare on as well, two at most.
        tolerance: largest allowed difference, as a share of an output's largest value (or of 1, if that is more).
    """
    trained = Trained(bundle, ckpt_path=ckpt_path)
    wanted = parse_formats(formats)
    check_choice("exporter", exporter, EXPORTERS)
    if dispatch and ONNX in wanted and dispatch != DENSE:
        raise ConfigError(
            f"--dispatch {dispatch} for ONNX, which takes no decisions that depend on the data",
            expected="--dispatch dense, or --formats torchscript",
            fix="leave --dispatch out: ONNX is made from the dense form, TorchScript from the configured one",
        )
    size = trained.image_size(image_size)
    original = trained.network()
    images = random_images(trained.in_channels, size, divisor=divisor_of(original))
    images |= real_images(trained, check_images) if check_images else {}
    make = {TORCHSCRIPT: partial(as_torchscript, dispatch=dispatch), ONNX: partial(as_onnx, exporter=exporter)}
    exported = {name: make[name](trained, original, images, tolerance=tolerance) for name in wanted}
    folder = Path(output_dir).expanduser() if output_dir else trained.root / "models"
    print(f"weights      {trained.ckpt_path}")
    if trained.facts.get("phantom"):
        print("             trained on PHANTOMS: what they find in real images means nothing")
    for name, result in exported.items():
        path = atomic_write(
            folder / FILES[name], partial(_write, content=result.content), fix="name another --output_dir"
        )
        print(f"{name:<12} {path}  ({len(result.content) / 1e6:.1f} MB, {result.seconds:.0f} s)")
        for label, difference in result.differences.items():
            print(f"             {difference:.1e} largest difference on {label}")


def parse_formats(formats: str) -> list[str]:
    """The formats named in a text, in the order of `FILES`.

    Raises:
        ConfigError: one that is not known, or none; or onnx without its packages.
    """
    names = [name.strip() for name in formats.strip("()[]").replace("'", "").split(",") if name.strip()]
    for name in names or [""]:
        check_choice("formats", name, FILES)
    if ONNX in names:
        require_onnx()
    return [name for name in FILES if name in names]


def as_torchscript(
    trained: Trained,
    original: nn.Module,
    images: dict[str, Tensor],
    *,
    dispatch: str = "",
    tolerance: float = TOLERANCE,
) -> Exported:
    """A trained network as TorchScript, compared with ``original``; ``dispatch`` as of `export`."""
    start = time.perf_counter()
    network = trained.network(dispatch=dispatch) if dispatch else original
    description = _described(trained, network, dispatch or trained.dispatch)
    content = to_torchscript(network, metadata=trained.metadata, description=description)
    differences = _compare(run_torchscript(content), original, images, name=FILES[TORCHSCRIPT], tolerance=tolerance)
    return Exported(content, description, differences, time.perf_counter() - start)


def as_onnx(
    trained: Trained,
    original: nn.Module,
    images: dict[str, Tensor],
    *,
    exporter: str = TRACE,
    tolerance: float = TOLERANCE,
) -> Exported:
    """A trained network as ONNX, in its dense form where it has one, compared with ``original``."""
    start = time.perf_counter()
    dense = trained.dispatch is not None
    network = trained.network(dispatch=DENSE) if dense else original
    description = _described(trained, network, DENSE if dense else None)
    content = to_onnx(network, in_channels=trained.in_channels, description=description, exporter=exporter)
    differences = _compare(run_onnx(content), original, images, name=FILES[ONNX], tolerance=tolerance)
    return Exported(content, description, differences, time.perf_counter() - start)


def _compare(run: Any, original: nn.Module, images: dict[str, Tensor], **arguments: Any) -> dict[str, float]:
    return check_equal(run, partial(outputs_of, original), images, **arguments)


def _described(trained: Trained, network: nn.Module, dispatch: str | None) -> dict[str, Any]:
    outputs = outputs_of(network, next(iter(random_images(trained.in_channels, (64, 64), divisor=32).values())))
    return describe(trained, outputs, divisor=divisor_of(network), dispatch=dispatch)


def _write(file: Any, *, content: bytes) -> None:
    file.write(content)
