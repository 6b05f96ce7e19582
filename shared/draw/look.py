"""One look for every figure: colours, sizes, and saving without half-written files."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from shared.files import atomic_write

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Photograph = npt.NDArray[np.uint8]
PHANTOM = "PHANTOM DATA"

# Okabe-Ito based: told apart by colour-blind readers, and on an orange-red fundus.
LESION_COLOURS = {"MA": "#ff2d2d", "HE": "#2f6bff", "EX": "#ffe119", "SE": "#00e5d4", "OD": "#35d435"}
MASK_LINES = {"MA": "#d62728", "HE": "#1f4fd1", "EX": "#c79a00", "SE": "#0099a8", "OD": "#2a9d2a"}  # on white
FLUID_COLOURS = {"IRF": "#ff3b30", "SRF": "#00b7ff", "PED": "#ffd60a", "fluid": "#00b7ff"}  # on grey B-scans
FLUID_LINES = {"IRF": "#d7261e", "SRF": "#0072b2", "PED": "#b88600", "fluid": "#0072b2"}  # on white
DISC_COLOURS = {"disc": "#35d435", "cup": "#00b7ff"}
DISC_LINES = {"disc": "#2a9d2a", "cup": "#0072b2"}
OTHER_COLOURS = ("#e66fd2", "#ffffff", "#b388ff", "#ff9a3c", "#9acd32", "#8fb8de")
HIT, MISS, FALSE_ALARM = "#f4f4f4", "#ffa216", "#f03cf0"  # none of them a lesion's colour
LINES = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#7b5ea7", "#e69f00", "#56b4e9", "#444444")
DPI = 125
STYLE = {
    "font.size": 10.5,
    "axes.titlesize": 11.5,
    "figure.titlesize": 13,
    "axes.grid": True,
    "grid.color": "#dddddd",
    "axes.axisbelow": True,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "legend.frameon": False,
    "savefig.facecolor": "white",
}


def colour_of(name: str, names: Sequence[str]) -> str:
    """The colour of a mask task or fluid on images, the same in every figure and bundle."""
    fixed = LESION_COLOURS | FLUID_COLOURS | DISC_COLOURS
    others = [other for other in names if other not in fixed]
    return fixed.get(name) or OTHER_COLOURS[others.index(name) % len(OTHER_COLOURS)]


def line_colour_of(name: str, position: int) -> str:
    """The colour of a line or bar on white: that of the mask task or fluid in which ``name`` ends, else by place."""
    last = name.rsplit("_", 1)[-1]
    return (MASK_LINES | FLUID_LINES | DISC_LINES).get(last) or LINES[position % len(LINES)]


def rgb(colour: str) -> npt.NDArray[np.float64]:
    """``#rrggbb`` as three numbers 0..255."""
    return np.array([int(colour[start : start + 2], 16) for start in (1, 3, 5)], np.float64)


def titled(title: str, *, phantom: bool) -> str:
    """A title that says so where the data are phantoms."""
    return f"{PHANTOM}: {title}" if phantom else title


def blank(*, width: float, height: float) -> Figure:
    """An empty figure without pyplot's global state, size in inches (125 pixels each)."""
    import matplotlib
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    with matplotlib.rc_context(STYLE):  # type: ignore[arg-type]
        figure = Figure(figsize=(width, height), dpi=DPI, layout="constrained")
        FigureCanvasAgg(figure)
    return figure


def subplots(rows: int, columns: int, *, width: float, height: float, **arguments: Any) -> tuple[Figure, npt.NDArray]:
    """A `blank` figure and its axes ``[rows, columns]``."""
    import matplotlib

    figure = blank(width=width, height=height)
    with matplotlib.rc_context(STYLE):  # type: ignore[arg-type]
        axes = figure.subplots(rows, columns, squeeze=False, **arguments)
    return figure, axes


def save(figure: Figure, path: str | Path) -> Path:
    """Write the figure (kind by suffix) atomically."""
    import matplotlib

    with matplotlib.rc_context(STYLE):  # type: ignore[arg-type]
        return atomic_write(path, lambda file: figure.savefig(file, format=Path(path).suffix[1:]))


def reduce_colours(path: str | Path, *, colours: int = 256) -> Path:
    """Write a PNG again with a palette: a third of the bytes, for pictures that stand in a repository."""
    from PIL import Image

    with Image.open(path) as picture:
        small = picture.convert("RGB").quantize(colours)
    return atomic_write(path, lambda file: small.save(file, format="PNG", optimize=True))


def save_photograph(photo_HW3: Photograph, path: str | Path, *, quality: int = 90) -> Path:
    """Write an RGB array as PNG or JPEG (colour at full resolution, for thin outlines), by suffix, atomically."""
    from PIL import Image

    jpeg = Path(path).suffix.lower() in (".jpg", ".jpeg")
    arguments: dict[str, Any] = {"format": "JPEG", "quality": quality, "subsampling": 0} if jpeg else {"format": "PNG"}
    return atomic_write(path, lambda file: Image.fromarray(photo_HW3).save(file, **arguments))
