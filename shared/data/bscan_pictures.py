"""A volume that is a folder of pictures, one B-scan each, or those of a folder whose names fit a pattern."""

from __future__ import annotations

import re
from collections import Counter
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from shared.errors import DataError

PICTURE_SUFFIXES = (".png", ".jpg", ".jpeg", ".tif", ".tiff", ".bmp")
SHOWN = 5


def find_bscans(path: str | Path, *, allow_gaps: bool = False) -> list[Path]:
    """The pictures of one volume in the order of the last number in their names (by name where there is none).

    Args:
        path: a folder, or a folder with a pattern for file names, in which ``*`` stands for anything.
        allow_gaps: take numbers that are missing. Otherwise the numbers must have equal steps, such as 0, 1, 2 or
            10, 15, 20.

    Raises:
        DataError: no pictures, the same number twice, or numbers that are missing.
    """
    path = Path(path)
    folder, pattern = (path.parent, path.name) if "*" in path.name else (path, "*")
    fits = re.compile(".*".join(re.escape(piece) for piece in pattern.split("*")))
    if not folder.is_dir():
        raise DataError(f"there is no folder {folder}", expected="a folder of B-scans", fix="correct the path")
    files = [
        file
        for file in folder.iterdir()
        if fits.fullmatch(file.name) and file.suffix.lower() in PICTURE_SUFFIXES and not file.name.startswith(".")
    ]
    if not files:
        raise DataError(
            f"{path} holds no picture",
            expected=f"B-scans ending in {', '.join(PICTURE_SUFFIXES)}",
            fix="correct the path",
        )
    numbers = {file: bscan_number(file) for file in files}
    files.sort(key=lambda file: (numbers[file] if numbers[file] is not None else -1, file.name))
    known = [number for number in numbers.values() if number is not None]
    if len(known) == len(files):
        _check_numbers(path, sorted(known), allow_gaps=allow_gaps)
    return files


def bscan_number(file: Path) -> int | None:
    """The last number in a file's name, such as 17 of ``TRAIN001_bscan_017_oct.png``; None without any."""
    digits = re.findall(r"\d+", file.stem)
    return int(digits[-1]) if digits else None


def missing_numbers(numbers: list[int]) -> list[int]:
    """What lacks in ascending numbers for equal steps."""
    steps = [after - before for before, after in pairwise(numbers)]
    step = int(np.gcd.reduce(steps)) if steps else 1
    return sorted(set(range(numbers[0], numbers[-1] + 1, step)) - set(numbers)) if step else []


def picture_sizes(files: list[Path], *, name: str | Path) -> tuple[int, int]:
    """The size (height, width) that all pictures have, from their headers.

    Raises:
        DataError: unreadable pictures, or several sizes.
    """
    sizes: dict[tuple[int, int], list[str]] = {}
    for file in files:
        try:
            with Image.open(file) as image:
                sizes.setdefault((image.height, image.width), []).append(file.name)
        except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
            raise _unreadable(file, error) from error
    if len(sizes) > 1:
        counts = "; ".join(
            f"{len(names)} of {w}x{h}, such as {names[0]}"
            for (h, w), names in sorted(sizes.items(), key=lambda i: -len(i[1]))
        )
        raise DataError(
            f"the B-scans of {name} have {len(sizes)} sizes (width x height): {counts}",
            expected="B-scans of one size",
            fix="take out the pictures that are no B-scans, or give every scan a folder of its own",
        )
    return next(iter(sizes))


def read_bscan(file: Path, *, label: bool = False) -> NDArray[Any]:
    """One B-scan, [H, W], uint8 or uint16.

    Args:
        label: palette files then count by index, and colours are refused.

    Raises:
        DataError: the file is damaged, or a label in colours.
    """
    try:
        with Image.open(file) as image:
            image.load()
            if image.mode == "1" or (image.mode == "P" and label):
                return np.asarray(image).astype(np.uint8)
            if image.mode.startswith("I"):
                return np.asarray(image).astype(np.uint16)
            if label and image.mode != "L":
                raise DataError(
                    f"the label {file} has colours (mode {image.mode})",
                    expected="class numbers: a grey or palette PNG with 0 for background, 1, 2, ...",
                    fix="export the labels as class numbers",
                )
            return np.asarray(image if image.mode == "L" else image.convert("L"))
    except DataError:
        raise
    except (OSError, SyntaxError, ValueError, EOFError, Image.DecompressionBombError) as error:
        raise _unreadable(file, error) from error


def _check_numbers(path: Path, numbers: list[int], *, allow_gaps: bool) -> None:
    twice = [str(number) for number, count in Counter(numbers).items() if count > 1]
    if twice:
        raise DataError(
            f"{path} has several pictures with number {', '.join(twice[:SHOWN])}",
            expected="one picture per B-scan, numbered at the end of its name",
            fix="give every scan a folder of its own, or rename the pictures",
        )
    gaps = missing_numbers(numbers)
    if gaps and not allow_gaps:
        shown = ", ".join(map(str, gaps[:SHOWN])) + (f" and {len(gaps) - SHOWN} more" if len(gaps) > SHOWN else "")
        raise DataError(
            f"the {len(numbers)} B-scans of {path} are numbered {numbers[0]} to {numbers[-1]} with gaps: {shown}",
            expected="numbers with equal steps: a volume's B-scans are evenly spaced",
            fix="add the missing B-scans; or, if that is how the scan was taken, rename them 0, 1, 2, ...",
        )


def _unreadable(file: Path, error: Exception) -> DataError:
    return DataError(f"cannot read {file}: {error}", expected="a whole picture", fix="copy or download it again")
