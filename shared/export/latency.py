"""The command `python -m shared latency`."""

from __future__ import annotations

import platform
import time
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from shared.errors import ConfigError
from shared.export.check import TOLERANCE, largest_difference, random_images
from shared.export.command import DENSE, as_onnx, as_torchscript, parse_formats
from shared.export.images import real_images
from shared.export.onnx_file import run_onnx
from shared.export.outputs import divisor_of, named, outputs_of
from shared.export.script import run_torchscript
from shared.export.timing import Median, interleaved, median
from shared.export.trained import Trained
from shared.files import check_writable
from shared.report.files import write_csv
from shared.report.table import format_table
from shared.workflow.record import commit_of

EAGER, SCRIPT, ONNX, CONFIGURED = "eager", "torchscript", "onnx", "inference.json"
COLUMNS = ("bundle", "form", "milliseconds", "low", "high", "speedup", "speedup_low", "speedup_high", "difference")
FACTS = ("rows", "columns", "image", "repeats", "threads", "processor", "torch", "commit", "date")
LEAST_REPEATS = 6
Runs = dict[str, Callable[[Tensor], Mapping[str, Tensor]]]


def latency(
    bundle: str,
    *,
    ckpt_path: str = "",
    image_size: Any = None,
    check_images: str = "",
    repeats: int = 20,
    threads: int = 1,
    output: str = "",
) -> None:
    """Time a trained network on one image: as it is, as TorchScript, as ONNX, and as inference.json runs it.

    First all are shown to give equal outputs (inference.json may compute in bfloat16: its difference is told, not
    judged). Then they run in turn, so that a busy machine slows all alike. Only the network is timed: no reading, no
    writing.

    Args:
        bundle: the bundle's folder.
        ckpt_path: the weights; default: the bundle's models/model.pt.
        image_size: rows and columns, such as '[512,512]'; default: the bundle's.
        check_images: a file or folder; its first image is used instead of noise. Experts are chosen by the image.
        repeats: calls of each, after two that do not count; at least 6, from which on a median has an interval.
        threads: of PyTorch and onnxruntime.
        output: a CSV file for the table, with machine and date.
    """
    if repeats < LEAST_REPEATS or threads < 1:
        raise ConfigError(
            f"--repeats {repeats} --threads {threads}",
            expected=f"at least {LEAST_REPEATS} repeats and one thread",
            fix="give larger numbers",
        )
    parse_formats(ONNX)
    if output:
        check_writable(Path(output).expanduser().parent, fix="name another --output")
    trained = Trained(bundle, ckpt_path=ckpt_path)
    size = trained.image_size(image_size)
    label, image_BCHW = chosen_image(trained, size, check_images)
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        rows = time_forms(trained, image_BCHW, repeats=repeats, threads=threads)
    finally:
        torch.set_num_threads(before)
    height, width = image_BCHW.shape[2:]
    words = [_shown(row) for row in rows]
    title = (
        f"{trained.root.name}, {label} {height}x{width}, {repeats} calls in turn, {threads} thread(s), {processor()}"
    )
    print(format_table(("form", "ms, median [95 %]", "times eager's speed", "difference"), words, title=title))
    if output:
        facts = (height, width, label, repeats, threads, processor(), torch.__version__, _commit(), _now())
        full = [row | dict(zip(FACTS, facts, strict=True)) for row in rows]
        print(f"written: {write_csv(Path(output).expanduser(), full, COLUMNS + FACTS)}")


def chosen_image(trained: Trained, size: tuple[int, int], path: str) -> tuple[str, Tensor]:
    """The image to time on and what it is called."""
    if path:
        return next(iter(real_images(trained, path, number=1).items()))
    images = random_images(trained.in_channels, size, divisor=divisor_of(trained.network()))
    return "noise", next(iter(images.values()))


def time_forms(trained: Trained, image_BCHW: Tensor, *, repeats: int, threads: int) -> list[dict[str, Any]]:
    """Rows of `COLUMNS`, one for each form, eager first.

    Raises:
        ExportError: a form differs from the network.
    """
    original = trained.network()
    images = {"the image": image_BCHW}
    runs: Runs = {EAGER: partial(outputs_of, original)}
    dispatches = ("",) if trained.dispatch is None else (trained.dispatch, _other(trained.dispatch))
    for dispatch in dispatches:
        name = f", {dispatch}" if dispatch else ""
        if dispatch and dispatch != trained.dispatch:
            runs[EAGER + name] = partial(outputs_of, trained.network(dispatch=dispatch))
        runs[SCRIPT + name] = run_torchscript(
            as_torchscript(trained, original, images, dispatch=dispatch, tolerance=TOLERANCE).content
        )
    onnx = as_onnx(trained, original, images)
    runs[f"{ONNX}, {DENSE}" if trained.dispatch else ONNX] = run_onnx(onnx.content, threads=threads)
    runs[CONFIGURED] = as_configured(trained)
    expected = outputs_of(original, image_BCHW)
    differences = {name: largest_difference(run(image_BCHW), expected, name=name) for name, run in runs.items()}
    seconds = interleaved({name: partial(run, image_BCHW) for name, run in runs.items()}, repeats=repeats)
    rows = []
    for name, taken in seconds.items():
        own, ratio = median(1e3 * taken), median(seconds[EAGER] / taken)
        label = f"{name}, {trained.dispatch}" if name == EAGER and trained.dispatch else name
        values = (trained.root.name, label, *own, *ratio, differences[name])
        rows.append(dict(zip(COLUMNS, values, strict=True)))
    return rows


def as_configured(trained: Trained) -> Callable[[Tensor], Mapping[str, Tensor]]:
    """The network behind inference.json's own inferer and memory format."""
    network, inferer = trained.network(), trained.resolved("inferer")
    if "channels_last" in str(trained.config["network"]):
        network = network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]

    def run(image_BCHW: Tensor) -> Mapping[str, Tensor]:
        with torch.no_grad():
            return named(inferer(image_BCHW, network))

    return run


def processor() -> str:
    """The processor's name."""
    info = Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.is_file() else []
    names = [line.split(":")[1].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()


def _shown(row: Mapping[str, Any]) -> list[str]:
    own, ratio = (
        Median(row[name], row[low], row[high])
        for name, low, high in (("milliseconds", "low", "high"), ("speedup", "speedup_low", "speedup_high"))
    )
    times = [
        f"{own.value:.1f} [{own.low:.1f}, {own.high:.1f}]",
        f"{ratio.value:.2f} [{ratio.low:.2f}, {ratio.high:.2f}]",
    ]
    return [row["form"], *times, f"{row['difference']:.0e}"]


def _other(dispatch: str) -> str:
    return "sparse" if dispatch == DENSE else DENSE


def _commit() -> str:
    return commit_of(Path(__file__).parent)


def _now() -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%S%z")
