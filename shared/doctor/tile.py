"""Pieces of the contact sheet: a tile with its picture and caption, bands of text, the legend."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from shared.data.photograph import SUFFIXES, read_mask, read_photograph
from shared.doctor.finding import Picture
from shared.draw.look import LESION_COLOURS, colour_of
from shared.draw.overlay import fitted_size, paint_masks, shrink_mask, shrink_photograph
from shared.errors import DataError

if TYPE_CHECKING:
    from PIL import Image
    from PIL.ImageFont import FreeTypeFont, ImageFont

    Font = ImageFont | FreeTypeFont

TILE_WIDTH, TILE_HEIGHT, GAP = 300, 200, 12
TEXT, HEADING = 13, 17
BACKGROUND, PLAIN = "#161616", "#33475b"


class Tile(NamedTuple):
    """A picture, what is said about it, and a coloured heading."""

    picture: Picture
    caption: str
    heading: str = ""
    colour: str = PLAIN


def draw_tile(tile: Tile, font: Font) -> Image.Image:
    """The picture between its heading and its caption; a grey field where it cannot be shown."""
    from PIL import Image, ImageDraw

    line_height = TEXT + 4
    heading = wrap(tile.heading, TILE_WIDTH - 8, font) if tile.heading else []
    caption = wrap(tile.caption, TILE_WIDTH, font)
    top = line_height * len(heading) + 4 * bool(heading)
    drawn = Image.new("RGB", (TILE_WIDTH, top + TILE_HEIGHT + 4 + len(caption) * line_height), BACKGROUND)
    draw = ImageDraw.Draw(drawn)
    if heading:
        draw.rectangle((0, 0, TILE_WIDTH, top - 1), fill=tile.colour)
    for row, line in enumerate(heading):
        draw.text((4, 1 + row * line_height), line, fill="white", font=font)
    try:
        small = Image.fromarray(_thumbnail(tile.picture))
        drawn.paste(small, ((TILE_WIDTH - small.width) // 2, top + (TILE_HEIGHT - small.height) // 2))
    except DataError:
        draw.rectangle((0, top, TILE_WIDTH - 1, top + TILE_HEIGHT - 1), fill="#4a4a4a")
        middle = (TILE_WIDTH / 2, top + TILE_HEIGHT / 2)
        draw.text(middle, "cannot be shown", fill="white", font=font, anchor="mm")
    for row, line in enumerate(caption):
        draw.text((0, top + TILE_HEIGHT + 4 + row * line_height), line, fill="white", font=font)
    return drawn


def _thumbnail(picture: Picture) -> np.ndarray:
    if picture.drawn is not None:
        drawn_HW3 = picture.drawn()
        return shrink_photograph(drawn_HW3, _tile_size(drawn_HW3.shape[:2]))
    if picture.path.suffix.lower() not in SUFFIXES:
        raise DataError(f"{picture.path} is no picture", expected="a picture", fix="none")
    photograph = read_photograph(picture.path, at_least=(TILE_HEIGHT, TILE_WIDTH))
    size = _tile_size(photograph.full_size)
    masks = {}
    for kind, path in picture.masks.items():
        try:
            masks[kind] = shrink_mask(read_mask(path), size)
        except DataError:
            continue
    return paint_masks(shrink_photograph(photograph.pixels_HW3, size), masks)


def _tile_size(size: tuple[int, ...]) -> tuple[int, int]:
    height, width = fitted_size((size[0], size[1]), TILE_WIDTH)
    if height > TILE_HEIGHT:
        return TILE_HEIGHT, max(1, round(width * TILE_HEIGHT / height))
    return height, width


def legend_band(width: int, font: Font, kinds: list[str]) -> Image.Image:
    """The colour of every kind of mask, as wide as the sheet."""
    from PIL import Image, ImageDraw

    band = Image.new("RGB", (width, TEXT + 10 if kinds else 1), "#000000")
    draw = ImageDraw.Draw(band)
    x = float(GAP)
    for kind in sorted(kinds, key=lambda kind: list(LESION_COLOURS).index(kind) if kind in LESION_COLOURS else 99):
        draw.rectangle((x, 3, x + TEXT, 3 + TEXT), fill=colour_of(kind, kinds))
        draw.text((x + TEXT + 6, 2), f"{kind} mask", fill="white", font=font)
        x += font.getlength(f"{kind} mask") + 3 * TEXT
    return band


def text_band(texts: list[str], width: int, font: Font, colour: str) -> Image.Image:
    """Lines of text on ``colour``, wrapped to ``width`` pixels."""
    from PIL import Image, ImageDraw

    lines = [line for text in texts for line in wrap(text, width - 2 * GAP, font)]
    height = int(font.getbbox("Ag")[3]) + 6
    band = Image.new("RGB", (width, height * len(lines) + 6), colour)
    draw = ImageDraw.Draw(band)
    for row, line in enumerate(lines):
        draw.text((GAP, 4 + row * height), line, fill="white", font=font)
    return band


def wrap(text: str, width: float, font: Font) -> list[str]:
    """Lines that fit; a word that is too long by itself (a file's name) is broken."""
    lines = [""]
    for word in text.split():
        longer = f"{lines[-1]} {word}".strip()
        if font.getlength(longer) <= width:
            lines[-1] = longer
            continue
        if lines[-1]:
            lines.append("")
        for letter in word:
            if lines[-1] and font.getlength(lines[-1] + letter) > width:
                lines.append("")
            lines[-1] += letter
    return lines
