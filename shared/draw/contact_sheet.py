"""Thumbnails with captions."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from shared.draw.look import Photograph, save_photograph, titled
from shared.draw.overlay import fitted_size, shrink_photograph, wrap_words

CELL, GAP, TEXT = 240, 10, 13


def draw_contact_sheet(
    photographs: Sequence[Photograph],
    captions: Sequence[str],
    path: str | Path,
    *,
    title: str = "",
    columns: int = 6,
    caption_lines: int = 3,
    phantom: bool = False,
) -> Path:
    """Write thumbnails of 240 pixels in rows, each with its caption below.

    Args:
        photographs: RGB of any sizes.
        captions: one per photograph; wrapped, cut after ``caption_lines`` lines.
        path: PNG or JPEG.
    """
    from PIL import Image, ImageDraw, ImageFont

    font, title_font = ImageFont.load_default(TEXT), ImageFont.load_default(TEXT + 6)
    thumbnails = [
        shrink_photograph(photo, fitted_size((photo.shape[0], photo.shape[1]), CELL)) for photo in photographs
    ]
    rows = [thumbnails[start : start + columns] for start in range(0, len(thumbnails), columns)]
    line = TEXT + 4
    heights = [max(photo.shape[0] for photo in row) + caption_lines * line + 2 * GAP for row in rows]
    top = 2 * GAP + TEXT + 6
    canvas = Image.new("RGB", (columns * (CELL + GAP) + GAP, top + sum(heights) + GAP), "white")
    draw = ImageDraw.Draw(canvas)
    draw.text((GAP, GAP), titled(title, phantom=phantom), fill="black", font=title_font)
    for index, (photo, caption) in enumerate(zip(thumbnails, captions, strict=True)):
        row, column = divmod(index, columns)
        x, y = GAP + column * (CELL + GAP), top + sum(heights[:row])
        canvas.paste(Image.fromarray(photo), (x + (CELL - photo.shape[1]) // 2, y))
        lines = [
            part
            for text in caption.splitlines()
            for part in wrap_words(text, lambda text: font.getlength(text) <= CELL)
        ]
        for number, text in enumerate(lines[:caption_lines]):
            while font.getlength(text) > CELL:
                text = text[:-2] + "\N{HORIZONTAL ELLIPSIS}"
            place = (x + (CELL - font.getlength(text)) / 2, y + photo.shape[0] + 2 + number * line)
            draw.text(place, text, fill="black", font=font)
    return save_photograph(np.asarray(canvas), path)
