"""Masks of disc and cup as bool arrays, whatever a source's values mean, and the view of a stereo photograph."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from scripts.entry import CUP, DISC
from shared.data.photograph import Photograph, photograph_size, read_bytes, read_mask, read_photograph
from shared.errors import DataError

SOFT_LEVELS = (0, 64, 128, 191, 255)  # none to all of Drishti-GS1's four experts
SOFT_TOLERANCE = 2
THREE_OF_FOUR = 189
REFUGE_LEVELS = (0, 128, 255)  # cup, rim, background
JPEG_MIDDLE, JPEG_TOLERANCE = 128, 40
MOST_OF_VIEW = 0.5
MOST_OF_CROP = 0.8  # an ellipse fills 0.785 of the rectangle around it, drawn in pixels a little more
CROP = "crop"


class OddWidth(DataError):
    """A stereo photograph that cannot be two views equally wide."""


def _binary(grey_HW: NDArray[np.uint8], kind: str, path: Path) -> NDArray[np.bool_]:
    return read_mask(path)


def _soft(grey_HW: NDArray[np.uint8], kind: str, path: Path) -> NDArray[np.bool_]:
    """Drishti-GS1's soft maps: where at least three of four experts agree."""
    _check_levels(grey_HW, SOFT_LEVELS, SOFT_TOLERANCE, path)
    return grey_HW >= THREE_OF_FOUR


def _refuge(grey_HW: NDArray[np.uint8], kind: str, path: Path) -> NDArray[np.bool_]:
    """REFUGE's maps: cup 0, rim 128, background 255; the disc is cup and rim."""
    _check_levels(grey_HW, REFUGE_LEVELS, 0, path)
    return grey_HW == 0 if kind == CUP else grey_HW < 255


def _jpeg(grey_HW: NDArray[np.uint8], kind: str, path: Path) -> NDArray[np.bool_]:
    """Black and white with JPEG's ringing along the edge; the middle between them decides."""
    between = (grey_HW > JPEG_TOLERANCE) & (grey_HW < 255 - JPEG_TOLERANCE)
    if between.mean() > 0.02:
        raise DataError(
            f"mask {path} is neither black nor white on {between.mean():.1%} of its pixels",
            expected="black and white, grey along the edge only",
            fix="save the mask again from its source",
        )
    return grey_HW >= JPEG_MIDDLE


Rule = Callable[[NDArray[np.uint8], str, Path], NDArray[np.bool_]]
RULES: dict[str, Rule] = {"binary": _binary, CROP: _binary, "soft": _soft, "refuge": _refuge, "jpeg": _jpeg}


def read_view(path: str | Path, *, stereo: bool) -> Photograph:
    """Decode a photograph; of a stereo one its left half.

    Raises:
        DataError: it cannot be read.
        OddWidth: it is a stereo photograph of odd width.
    """
    photograph = read_photograph(path)
    if not stereo:
        return photograph
    height, width = view_size(path, stereo=True)
    return Photograph(np.ascontiguousarray(photograph.pixels_HW3[:, :width]), (height, width))


def view_size(path: str | Path, *, stereo: bool) -> tuple[int, int]:
    """(height, width) of what `read_view` gives, from the header.

    Raises:
        DataError: it cannot be read.
        OddWidth: it is a stereo photograph of odd width.
    """
    height, width = photograph_size(path)
    if not stereo:
        return height, width
    if width % 2:
        raise OddWidth(
            f"the stereo photograph {path} is {width}x{height} (width x height)",
            expected="an even width: two views side by side, equally wide",
            fix="get the file again, uncropped; of single views give another `source`",
        )
    return height, width // 2


def read_label(path: str | Path, *, kind: str, rule: str, size: tuple[int, int], stereo: bool) -> NDArray[np.bool_]:
    """The disc or cup, bool [H,W] at the view's size.

    A disc that covers all four corners of the view, or more of it than `MOST_OF_VIEW` (of a picture cut out around the
    disc, rule "crop", than `MOST_OF_CROP`), is refused: files that are saved with black and white the other way round
    look so.

    Args:
        kind: "disc" or "cup".
        rule: of `RULES`. "crop" is "binary" for pictures cut out around the disc.
        size: (height, width) of the view. stereo: the mask may be of both views, of which it then is the left.

    Raises:
        DataError: it cannot be read, has another size or other values, or is a disc without a single pixel or as large
            as no disc is.
    """
    path = Path(path)
    mask_HW = RULES[rule](_grey(path), kind, path)
    if stereo and mask_HW.shape == (size[0], 2 * size[1]):
        mask_HW = mask_HW[:, : size[1]]
    if mask_HW.shape != size:
        raise DataError(
            f"mask {path} is {mask_HW.shape[1]}x{mask_HW.shape[0]}, its photograph's view {size[1]}x{size[0]} "
            "(width x height)",
            expected="a mask of its photograph's size",
            fix="export the mask again at the photograph's own size",
        )
    if kind == DISC and not mask_HW.any():
        raise DataError(
            f"the disc mask {path} is empty", expected="a disc: every eye has one", fix="take the photograph out"
        )
    if kind == DISC:
        _check_extent(mask_HW, MOST_OF_CROP if rule == CROP else MOST_OF_VIEW, path)
    return mask_HW


def _check_extent(disc_HW: NDArray[np.bool_], most: float, path: Path) -> None:
    share, corners = float(disc_HW.mean()), bool(disc_HW[[0, 0, -1, -1], [0, -1, 0, -1]].all())
    if corners or share > most:
        raise DataError(
            f"the disc mask {path} covers {share:.1%} of the view{' with all four corners' * corners}",
            expected=f"a disc: at most {most:.0%} of the view, and not its corners",
            fix="if black and white are the other way round in the file, invert it; else take the photograph out",
        )


def _grey(path: Path) -> NDArray[np.uint8]:
    content = read_bytes(path)
    try:
        with Image.open(io.BytesIO(content)) as image:
            return np.asarray(image.convert("L"))
    except (OSError, SyntaxError, ValueError, EOFError, Image.DecompressionBombError) as error:
        raise DataError(
            f"cannot read {path}: {error}", expected="a whole picture file", fix="copy or download the file again"
        ) from error


def _check_levels(grey_HW: NDArray[np.uint8], levels: tuple[int, ...], tolerance: int, path: Path) -> None:
    values = np.unique(grey_HW).astype(int)
    wrong = [int(value) for value in values if min(abs(value - level) for level in levels) > tolerance]
    if wrong:
        raise DataError(
            f"mask {path} has other levels than its source's, such as {wrong[:5]}",
            expected=f"the levels {', '.join(map(str, levels))}",
            fix="use the file as published: saved as JPEG or resized, its levels mean nothing",
        )
