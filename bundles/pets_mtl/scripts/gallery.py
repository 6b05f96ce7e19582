"""The images on which the network did best and worst, kept while an evaluation goes by."""

from __future__ import annotations

import functools
from bisect import bisect_right
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from shared.draw.boxes import FOUND, TRUE, paint_box
from shared.draw.look import FALSE_ALARM, HIT, MISS, Photograph, save, subplots, titled
from shared.draw.overlay import paint_errors, paint_masks
from shared.ranks import gather_ordered, gather_to_main

Masks = Mapping[str, npt.NDArray[np.bool_]]


class Piece(NamedTuple):
    """One image [H, W, 3] with true and predicted masks, boxes (pixels of this picture) and words."""

    name: str
    photo_HW3: Photograph
    truth: Masks
    predicted: Masks
    true_box_4: npt.NDArray | None
    box_4: npt.NDArray | None
    true_text: str
    text: str
    scores: str


class Gallery:
    """Keeps the ``size`` worst and the ``size`` best of any number of images.

    Args:
        size: of either list.

    Attributes:
        offered: how many images there were.
    """

    def __init__(self, size: int) -> None:
        self.size, self.offered = size, 0
        self._scores: list[float] = []
        self._pieces: list[Piece] = []
        self._places: list[int] = []

    def offer(self, score: float, make: Callable[[], Piece]) -> None:
        """Take in an image; ``make`` is called only if it is kept for now."""
        self.offered += 1
        place = bisect_right(self._scores, score)
        full = len(self._scores) == 2 * self.size
        if full and place == self.size:
            return
        self._scores.insert(place, score)
        self._pieces.insert(place, make())
        self._places.insert(place, self.offered)
        if full:
            del self._scores[self.size], self._pieces[self.size], self._places[self.size]

    def gathered(self) -> Gallery:
        """The gallery of what was offered on all ranks, on the main process; elsewhere an empty one."""
        kept = gather_ordered(zip(self._places, zip(self._scores, self._pieces, strict=True), strict=True))
        everywhere = gather_to_main(self.offered)
        found = Gallery(self.size)
        for score, piece in kept:
            found.offer(score, functools.partial(_same, piece))
        found.offered = sum(everywhere)
        return found

    def lists(self) -> dict[str, list[Piece]]:
        """``worst``, the worst first, and ``best``, the best first; no image is in both."""
        half = min(self.size, -(-len(self._pieces) // 2))
        return {"worst": self._pieces[:half], "best": self._pieces[half:][::-1]}


def _same(piece: Piece) -> Piece:
    return piece


def draw_gallery(pieces: Sequence[Piece], path: str | Path, *, title: str, phantom: bool = False) -> Path:
    """One row per image: the truth, what was predicted, and, where there is a mask, its errors."""
    from matplotlib.lines import Line2D
    from matplotlib.patches import Patch

    masks = any(piece.truth for piece in pieces)
    columns = 3 if masks else 2
    figure, axes = subplots(len(pieces), columns, width=3.6 * columns, height=3.4 * len(pieces) + 1.0)
    for row, piece in zip(axes, pieces, strict=True):
        photo_HW3 = piece.photo_HW3
        truth_HW3 = paint_box(paint_masks(photo_HW3, piece.truth), piece.true_box_4, colour=TRUE)
        found_HW3 = paint_box(paint_masks(photo_HW3, piece.predicted), piece.true_box_4, colour=TRUE, dashed=True)
        _show(row[0], truth_HW3, f"{piece.name}\ntruth: {piece.true_text}")
        _show(row[1], paint_box(found_HW3, piece.box_4, colour=FOUND), f"{piece.text}\n{piece.scores}")
        if masks:
            row[2].set_axis_off()
        for name, truth_HW in piece.truth.items():
            _show(row[2], paint_errors(photo_HW3, piece.predicted[name], truth_HW), f"{name}: errors")
    marks: list[Any] = [
        Line2D([], [], color=TRUE, linewidth=3, label="true head box"),
        Line2D([], [], color=FOUND, linewidth=3, label="predicted head box"),
    ]
    if masks:
        marks += [
            Patch(facecolor=colour, edgecolor="grey", label=label)
            for colour, label in ((HIT, "hit"), (MISS, "miss"), (FALSE_ALARM, "false alarm"))
        ]
    figure.legend(handles=marks, loc="outside lower center", ncols=len(marks))
    figure.suptitle(titled(title, phantom=phantom))
    return save(figure, path)


def _show(axis: Any, picture: Photograph, text: str) -> None:
    axis.imshow(picture)
    axis.set_axis_off()
    axis.set_title(text, fontsize=9)
