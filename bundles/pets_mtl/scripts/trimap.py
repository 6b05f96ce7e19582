"""Trimaps: pet, background and the border between them, which one key assigns."""

from __future__ import annotations

import io
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from scripts.layout import BACKGROUND, BORDER, BORDERS, IGNORED, PET
from shared.data.photograph import read_bytes
from shared.errors import ConfigError, DataError


class PetMask(NamedTuple):
    """``pet``: bool [H,W]. ``counted``: bool [H,W], false where a pixel is neither right nor wrong."""

    pet: NDArray[np.bool_]
    counted: NDArray[np.bool_]


def check_border(border: str) -> None:
    """Refuse a word that is none of `BORDERS`.

    Raises:
        ConfigError: with those there are.
    """
    if border not in BORDERS:
        raise ConfigError(f"border {border!r}", expected=f"one of {', '.join(BORDERS)}", fix="correct the key `border`")


def read_trimap(path: str | Path, *, size: tuple[int, int] | None = None) -> NDArray[np.uint8]:
    """A trimap's values, uint8 [H,W].

    Args:
        size: (height, width) of its image.

    Raises:
        DataError: a file that cannot be read, another size, several channels, or values other than 1, 2 and 3.
    """
    try:
        with Image.open(io.BytesIO(read_bytes(path))) as image:
            values = np.asarray(image)
    except (OSError, SyntaxError, ValueError, EOFError, Image.DecompressionBombError) as error:
        if isinstance(error, DataError):
            raise
        raise _refused(path, f"cannot be read: {error}") from error
    if values.ndim != 2:
        raise _refused(path, f"has {values.shape[-1]} channels")
    if size is not None and values.shape != size:
        raise _refused(path, f"is {_by(values.shape)}, its image {_by(size)} (width x height)")
    if wrong := sorted({int(value) for value in np.unique(values)} - {PET, BACKGROUND, BORDER}):
        raise _refused(path, f"has the values {wrong[:5]}")
    return values.astype(np.uint8)


def pet_mask(trimap_HW: NDArray[np.uint8], *, border: str) -> PetMask:
    """The animal, with its border counted as ``"pet"``, as ``"background"`` or not at all (``"ignored"``).

    Raises:
        ConfigError: for another word.
    """
    check_border(border)
    at_border = trimap_HW == BORDER
    pet = (trimap_HW == PET) | at_border if border == "pet" else trimap_HW == PET
    return PetMask(pet, ~at_border if border == IGNORED else np.ones_like(at_border))


def _refused(path: str | Path, problem: str) -> DataError:
    return DataError(
        f"trimap {path} {problem}",
        expected="one channel of its image's size, 1 on the pet, 2 on the background, 3 on the border",
        fix="restore the file from the official archive, or take the image out of the lists",
    )


def _by(size: tuple[int, ...]) -> str:
    return f"{size[1]}x{size[0]}"
