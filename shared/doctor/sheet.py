"""The contact sheet: small pictures of what is wrong under a heading per kind, and samples of what is not."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from shared.data.photograph import SUFFIXES, read_mask, read_photograph
from shared.doctor.diagnosis import Diagnosis
from shared.doctor.finding import ERROR, WARNING, Finding, Picture
from shared.doctor.text import verdict
from shared.draw.look import LESION_COLOURS, colour_of, save_photograph, titled
from shared.draw.overlay import fitted_size, paint_masks, shrink_mask, shrink_photograph
from shared.errors import DataError

if TYPE_CHECKING:
    from PIL import Image, ImageFont

TILE_WIDTH, TILE_HEIGHT, COLUMNS, GAP = 300, 200, 5, 12
TILES_PER_KIND = 10
TEXT, HEADING = 13, 17
BACKGROUND, HEADINGS = "#161616", {ERROR: "#b3261e", WARNING: "#8a5a00"}
PLAIN_HEADING = "#33475b"


class _Section(NamedTuple):
    title: str
    colour: str
    tiles: list[list[tuple[str, Picture]]]
    lines: list[str]


def draw_contact_sheet(diagnosis: Diagnosis, path: str | Path) -> bool:
    """Draw errors and warnings, a section per kind, then the samples, and notes that have a picture.

    A picture that cannot be decoded is a grey tile that says so. Masks that can be read are drawn in their colours.

    Returns:
        whether there was anything to show; if not, nothing is written.
    """
    from PIL import Image, ImageFont

    fonts = ImageFont.load_default(TEXT), ImageFont.load_default(HEADING)
    width = COLUMNS * TILE_WIDTH + (COLUMNS + 1) * GAP
    sections = list(_sections(diagnosis))
    if not any(section.tiles for section in sections):
        return False
    bands: list[Image.Image] = []
    check = "quick" if diagnosis.quick else "full"
    title = f"data doctor on {Path(diagnosis.dataset_dir).name}: {check} check, {verdict(diagnosis)}"
    bands.append(_text_band([titled(title, phantom=diagnosis.phantom)], width, fonts[1], "#000000"))
    shown_masks = {kind for part in sections for group in part.tiles for _, picture in group for kind in picture.masks}
    bands.append(_legend(width, fonts[0], sorted(shown_masks)))
    for section in sections:
        bands.append(_text_band([section.title], width, fonts[1], section.colour))
        if section.lines:
            bands.append(_text_band(section.lines, width, fonts[0], BACKGROUND))
        for line in _rows(section.tiles):
            row = [_tile(caption, picture, fonts[0]) for caption, picture in line]
            band = Image.new("RGB", (width, max(tile.height for tile in row) + 2 * GAP), BACKGROUND)
            for column, tile in enumerate(row):
                band.paste(tile, (GAP + column * (TILE_WIDTH + GAP), GAP))
            bands.append(band)
    sheet = Image.new("RGB", (width, sum(band.height for band in bands) + GAP), BACKGROUND)
    top = 0
    for band in bands:
        sheet.paste(band, (0, top))
        top += band.height
    save_photograph(np.asarray(sheet), path)
    return True


def _sections(diagnosis: Diagnosis) -> Iterator[_Section]:
    notes: list[_Section] = []
    for (severity, kind), findings in diagnosis.by_kind().items():
        shown = [finding for finding in findings if finding.pictures]
        if severity not in HEADINGS and not shown:
            continue
        groups: list[list[tuple[str, Picture]]] = []
        for finding in shown:
            group = list(_captioned(finding))[:COLUMNS]
            if groups and sum(map(len, groups)) + len(group) > TILES_PER_KIND:
                break
            groups.append(group)
        others = [f"- {finding}" for finding in findings if not finding.pictures]
        lines = others[:4] + [f"  and {len(others) - 4} more"] * (len(others) > 4)
        count = f"{len(findings)}, {len(groups)} shown" if len(groups) < len(shown) else str(len(findings))
        section = _Section(
            f"{severity.upper()}: {kind} ({count})", HEADINGS.get(severity, PLAIN_HEADING), groups, lines
        )
        if severity in HEADINGS:
            yield section
        else:
            notes.append(section)
    yield from notes
    if diagnosis.samples:
        samples = [[(sample.caption, sample.picture)] for sample in diagnosis.samples]
        yield _Section("Samples in which nothing was found", PLAIN_HEADING, samples, [])


def _rows(groups: list[list[tuple[str, Picture]]]) -> Iterator[list[tuple[str, Picture]]]:
    """Rows of at most `COLUMNS` tiles that tear no group apart."""
    row: list[tuple[str, Picture]] = []
    for group in groups:
        if row and len(row) + len(group) > COLUMNS:
            yield row
            row = []
        row = row + group
    if row:
        yield row


def _captioned(finding: Finding) -> Iterator[tuple[str, Picture]]:
    """A finding of several pictures (such as twins) shows them side by side, the message under the first."""
    if len(finding.pictures) == 1:
        yield str(finding), finding.pictures[0]
        return
    for place, picture in enumerate(finding.pictures):
        name = finding.subjects[place] if place < len(finding.subjects) else picture.path.name
        yield (f"{name}: {finding.message}" if place == 0 else f"{name} (with the one before)"), picture


def _tile(caption: str, picture: Picture, font: ImageFont.ImageFont | ImageFont.FreeTypeFont) -> Image.Image:
    from PIL import Image, ImageDraw

    lines = _wrap(caption, TILE_WIDTH, font)
    tile = Image.new("RGB", (TILE_WIDTH, TILE_HEIGHT + 4 + len(lines) * (TEXT + 4)), BACKGROUND)
    draw = ImageDraw.Draw(tile)
    try:
        small = Image.fromarray(_thumbnail(picture))
        tile.paste(small, ((TILE_WIDTH - small.width) // 2, (TILE_HEIGHT - small.height) // 2))
    except DataError:
        draw.rectangle((0, 0, TILE_WIDTH - 1, TILE_HEIGHT - 1), fill="#4a4a4a", outline="#b3261e", width=3)
        draw.text((TILE_WIDTH / 2, TILE_HEIGHT / 2), "cannot be shown", fill="white", font=font, anchor="mm")
    for row, line in enumerate(lines):
        draw.text((0, TILE_HEIGHT + 4 + row * (TEXT + 4)), line, fill="white", font=font)
    return tile


def _thumbnail(picture: Picture) -> np.ndarray:
    if picture.path.suffix.lower() not in SUFFIXES:
        raise DataError(f"{picture.path} is no picture", expected="a picture", fix="none")
    photograph = read_photograph(picture.path, at_least=(TILE_HEIGHT, TILE_WIDTH))
    size = fitted_size(photograph.full_size, TILE_WIDTH)
    if size[0] > TILE_HEIGHT:
        size = TILE_HEIGHT, max(1, round(size[1] * TILE_HEIGHT / size[0]))
    masks = {}
    for kind, path in picture.masks.items():
        try:
            masks[kind] = shrink_mask(read_mask(path), size)
        except DataError:
            continue
    return paint_masks(shrink_photograph(photograph.pixels_HW3, size), masks)


def _legend(width: int, font: ImageFont.ImageFont | ImageFont.FreeTypeFont, kinds: list[str]) -> Image.Image:
    from PIL import Image, ImageDraw

    band = Image.new("RGB", (width, TEXT + 10 if kinds else 1), "#000000")
    draw = ImageDraw.Draw(band)
    x = float(GAP)
    for kind in sorted(kinds, key=lambda kind: list(LESION_COLOURS).index(kind) if kind in LESION_COLOURS else 99):
        draw.rectangle((x, 3, x + TEXT, 3 + TEXT), fill=colour_of(kind, kinds))
        draw.text((x + TEXT + 6, 2), f"{kind} mask", fill="white", font=font)
        x += font.getlength(f"{kind} mask") + 3 * TEXT
    return band


def _text_band(
    texts: list[str], width: int, font: ImageFont.ImageFont | ImageFont.FreeTypeFont, colour: str
) -> Image.Image:
    from PIL import Image, ImageDraw

    lines = [line for text in texts for line in _wrap(text, width - 2 * GAP, font)]
    height = int(font.getbbox("Ag")[3]) + 6
    band = Image.new("RGB", (width, height * len(lines) + 6), colour)
    draw = ImageDraw.Draw(band)
    for row, line in enumerate(lines):
        draw.text((GAP, 4 + row * height), line, fill="white", font=font)
    return band


def _wrap(text: str, width: float, font: ImageFont.ImageFont | ImageFont.FreeTypeFont) -> list[str]:
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
