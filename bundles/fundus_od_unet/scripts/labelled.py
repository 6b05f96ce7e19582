"""Photographs with label maps that a reader has saved, as lists to train and validate on."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from scripts.entry import CUP, DISC
from shared.errors import DataError
from shared.handlers.output_writer import write_mask
from shared.label.labelled import Labelled, divide, read_label_map, read_labelled, split_label_map

Item = dict[str, Any]
READER = "reader"


def make_datalist(
    labels_file: str | Path,
    *,
    classes: Sequence[str],
    output_dir: str | Path,
    validation_fraction: float = 0.2,
    split_seed: int = 0,
) -> dict[str, list[Item]]:
    """Make the lists ``training`` and ``validation``, and an empty ``test``; items as of `scripts.datalist`.

    Where the cup is a class, the numbers of the label map are those of the rim (1) and the cup (2): the disc is both.

    Args:
        labels_file: see `shared.label.labelled`.
        output_dir: the masks go below it.

    Raises:
        DataError: fewer than two label maps, one that cannot be read, or one without a disc: every eye has one.
    """
    sides = divide(read_labelled(labels_file), fraction=validation_fraction, seed=split_seed)
    folder = Path(output_dir) / "masks"
    parts = [[_item(item, classes, folder) for item in side] for side in sides]
    for number, item in enumerate(parts[0] + parts[1]):
        item["group"] = number
    return {"training": parts[0], "validation": parts[1], "test": []}


def _item(item: Labelled, classes: Sequence[str], folder: Path) -> Item:
    assert item.label is not None
    label_HW = read_label_map(item.label)
    split_label_map(label_HW, {name: number for number, name in enumerate(classes, start=1)})
    if not label_HW.any():
        raise DataError(
            f"the label map of {item.name} is empty", expected="a disc: every eye has one", fix="draw it, or delete it"
        )
    folder.mkdir(parents=True, exist_ok=True)
    files = {DISC: "", CUP: ""}
    for number, kind in enumerate(classes, start=1):
        path = folder / f"{item.name}_{kind}.png"
        write_mask(np.asarray(label_HW >= number), path)
        files[kind] = str(path)
    return {
        "image": str(item.image),
        "name": item.name,
        "disc": files[DISC],
        "cup": files[CUP],
        "rule": "binary",
        "stereo": False,
        "reader": READER,
        "source": READER,
        "laterality": "",
        "diagnosis": "",
    }
