"""Whether an exported network says the same as its original."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import torch
from torch import Tensor

from shared.errors import ExportError

TOLERANCE = 1e-4
Run = Callable[[Tensor], Mapping[str, Tensor]]


def largest_difference(found: Mapping[str, Tensor], expected: Mapping[str, Tensor], *, name: str) -> float:
    """The largest difference of any value, as a share of its output's largest value or of 1, whichever is more.

    Raises:
        ExportError: other outputs, other shapes, or numbers that are none; naming ``name``.
    """
    if list(found) != list(expected):
        raise _differs(f"{name} gives {', '.join(found)}", f"the outputs {', '.join(expected)}")
    worst = 0.0
    for output, value in expected.items():
        other = found[output]
        if other.shape != value.shape:
            raise _differs(f"{output} of {name} has the shape {list(other.shape)}", f"{list(value.shape)}")
        if not (value.isfinite().all() and other.isfinite().all()):
            raise _differs(f"{output} has values that are no finite numbers", "finite numbers from both")
        if value.numel():
            scale = max(1.0, float(value.abs().max()))
            worst = max(worst, float((other.double() - value.double()).abs().max()) / scale)
    return worst


def check_equal(
    run: Run, original: Run, images: Mapping[str, Tensor], *, name: str, tolerance: float = TOLERANCE
) -> dict[str, float]:
    """Compare an exported network with its original.

    Args:
        run: the exported network: images [B,C,H,W] -> outputs by name. original: the network itself.
        images: by what they are called in a message.
        name: of the exported form.
        tolerance: of `largest_difference`.

    Returns:
        the largest difference on each of the images.

    Raises:
        ExportError: one is above the tolerance, or the exported network fails where the original does not.
    """
    differences = {}
    for label, image_BCHW in images.items():
        expected = original(image_BCHW)
        try:
            found = run(image_BCHW)
        except Exception as error:
            raise _differs(
                f"{name} fails on {label}: {str(error).splitlines()[0]}", "what the network gives"
            ) from error
        differences[label] = largest_difference(found, expected, name=name)
        if not differences[label] <= tolerance:
            raise _differs(
                f"{name} differs from the network by {differences[label]:.2g} on {label}", f"at most {tolerance:g}"
            )
    return differences


def random_images(channels: int, size: tuple[int, int], *, divisor: int, seed: int = 0) -> dict[str, Tensor]:
    """Normal noise of the bundle's size, of another batch and shape, and where any side is allowed of odd sides."""
    generator = torch.Generator().manual_seed(seed)
    rows, columns = (-(-side // divisor) * divisor for side in size)
    shapes = [(1, rows, columns), (3, 96, 64)] + [(2, 65, 79)] * (divisor == 1)
    return {
        f"random images {number}x{height}x{width}": torch.randn(number, channels, height, width, generator=generator)
        for number, height, width in shapes
    }


def _differs(received: str, expected: str) -> ExportError:
    return ExportError(
        received, expected=expected, fix="nothing was written; try another --exporter, or report it with the command"
    )
