"""Images and the label maps that a reader has saved for them, on their way into a bundle's data list."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from shared.data.splits import split_groups
from shared.data.volume_file import VolumeFile
from shared.errors import DataError
from shared.handlers.output_writer import write_mask
from shared.label.result import volume_suffix

LEAST = 2


class Labelled(NamedTuple):
    """``label``: the file of its label map, None for an image without one. ``info``: what was saved with it, such as
    ``{"grades": {"RG": 2}}``."""

    name: str
    image: Path
    label: Path | None
    info: dict[str, Any]


def write_labelled(path: str | Path, items: Sequence[Labelled]) -> None:
    """Write a list for `read_labelled`."""
    rows = [item._asdict() | {"image": str(item.image), "label": str(item.label or "")} for item in items]
    Path(path).write_text(json.dumps(rows, indent=1), encoding="utf-8")


def read_labelled(path: str | Path) -> list[Labelled]:
    """The list that `write_labelled` wrote."""
    rows = json.loads(Path(path).read_text(encoding="utf-8"))
    return [
        Labelled(row["name"], Path(row["image"]), Path(row["label"]) if row["label"] else None, row["info"])
        for row in rows
    ]


def divide(
    items: Sequence[Labelled], *, fraction: float, seed: int, groups: Sequence[str] | None = None
) -> tuple[list[Labelled], list[Labelled]]:
    """Those with a label map to train on and those to validate on, at least one each.

    Args:
        fraction: to validate on, 0..1.
        seed: which ones.
        groups: of every item what it must not be torn from, such as its patient; by default itself.

    Raises:
        DataError: fewer than `LEAST` have a label map, or all of these are of one group.
    """
    names = list(groups) if groups is not None else [item.name for item in items]
    labelled = [(item, group) for item, group in zip(items, names, strict=True) if item.label]
    order = sorted({group for _, group in labelled})
    if len(labelled) < LEAST or len(order) < LEAST:
        what = f"{len(labelled)} images" + f" of {len(order)} patients" * (len(order) < len(labelled))
        raise DataError(
            f"{what} have a saved label",
            expected=f"at least {LEAST}: some to train on, some to choose the best epoch by",
            fix="save labels (tag final) of more images, then train",
        )
    places = [order.index(group) for _, group in labelled]
    inside = min(max(fraction, 1e-6), 1 - 1e-6)  # so that neither side is empty
    held = {order[places[place]] for place in split_groups(places, fraction=inside, seed=seed).validation}
    sides = [[item for item, group in labelled if (group in held) == chosen] for chosen in (False, True)]
    return sides[0], sides[1]


def read_label_map(path: str | Path) -> NDArray[np.uint8]:
    """A picture's label map, uint8 [H,W]: from a picture of numbers, or a volume of one slice as viewers save it.

    Raises:
        DataError: a file that cannot be read, with colours, several slices, or values that are no small numbers.
    """
    path = Path(path)
    if volume_suffix(path):
        with VolumeFile(path, label=True) as volume:
            if volume.num_slices != 1:
                raise _refused(path, f"has {volume.num_slices} slices")
            values = volume.read(0, 1)[0]
    else:
        try:
            with Image.open(path) as image:
                values = np.asarray(image)
        except (OSError, SyntaxError, ValueError, EOFError, Image.DecompressionBombError) as error:
            raise _refused(path, f"cannot be read: {error}") from error
    if values.ndim != 2:
        raise _refused(path, f"has {values.shape[-1]} channels")
    if values.size and (values.min() < 0 or values.max() > 255 or (values != np.floor(values)).any()):
        raise _refused(path, f"has values from {values.min()} to {values.max()}")
    return values.astype(np.uint8)


def split_label_map(label_HW: NDArray[np.uint8], numbers: Mapping[str, int]) -> dict[str, NDArray[np.bool_]]:
    """A mask [H,W] for every label.

    Raises:
        DataError: a number that is no label.
    """
    wrong = sorted({int(value) for value in np.unique(label_HW)} - {0, *numbers.values()})
    if wrong:
        meaning = ", ".join(f"{number} {name}" for name, number in numbers.items())
        raise DataError(
            f"the label map has the numbers {', '.join(map(str, wrong[:5]))}",
            expected=f"0 background, {meaning}",
            fix="correct the numbers; see `labels` of the model in /info/",
        )
    return {name: label_HW == number for name, number in numbers.items()}


def write_masks(item: Labelled, names: Sequence[str], folder: str | Path) -> dict[str, Path]:
    """Write a label map as one mask file ``NAME_LABEL.png`` for every label that has a pixel; returns them by label.

    Args:
        names: of the numbers 1, 2, ...

    Raises:
        DataError: see `read_label_map` and `split_label_map`.
    """
    assert item.label is not None
    root = Path(folder)
    root.mkdir(parents=True, exist_ok=True)
    numbers = {name: number for number, name in enumerate(names, start=1)}
    written = {}
    for name, mask_HW in split_label_map(read_label_map(item.label), numbers).items():
        if mask_HW.any():
            written[name] = root / f"{item.name}_{name}.png"
            write_mask(mask_HW, written[name])
    return written


def _refused(path: Path, problem: str) -> DataError:
    return DataError(
        f"the label map {path.name} {problem}",
        expected="a picture of label numbers (PNG or TIFF, one channel), or a volume of one slice",
        fix="save the label map without colours",
    )
