"""The contact sheet: small pictures of what is wrong under a heading per kind, and samples of what is not."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import accumulate
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from shared.data.photograph import SUFFIXES, read_mask, read_photograph
from shared.doctor.diagnosis import Diagnosis
from shared.doctor.finding import ERROR, NOTE, SEVERITIES, WARNING, Finding, Picture
from shared.doctor.text import verdict
from shared.draw.look import LESION_COLOURS, colour_of, save_photograph, titled
from shared.draw.overlay import fitted_size, paint_masks, shrink_mask, shrink_photograph
from shared.errors import DataError

if TYPE_CHECKING:
    from PIL import Image
    from PIL.ImageFont import FreeTypeFont, ImageFont

    Font = ImageFont | FreeTypeFont

TILE_WIDTH, TILE_HEIGHT, COLUMNS, GAP = 300, 200, 5, 12
TILES_PER_KIND = 5
TEXT, HEADING = 13, 17
BACKGROUND, PLAIN = "#161616", "#33475b"
COLOURS = {ERROR: "#b3261e", WARNING: "#8a5a00", NOTE: PLAIN}


class _Tile(NamedTuple):
    picture: Picture
    caption: str
    heading: str = ""
    colour: str = PLAIN


class _Section(NamedTuple):
    """``groups`` of tiles that stay side by side, and ``lines`` about findings without a picture."""

    title: str
    colour: str
    groups: list[list[_Tile]]
    lines: list[str]


def draw_contact_sheet(diagnosis: Diagnosis, path: str | Path) -> bool:
    """Draw errors and warnings, then notes that have a picture, then the samples; every tile is headed by its kind.

    A picture that cannot be decoded is a grey tile that says so. Masks that can be read are drawn in their colours.

    Returns:
        whether there was anything to show; if not, nothing is written.
    """
    from PIL import Image, ImageFont

    font, large = ImageFont.load_default(TEXT), ImageFont.load_default(HEADING)
    width = COLUMNS * TILE_WIDTH + (COLUMNS + 1) * GAP
    sections = list(_sections(diagnosis))
    tiles = [tile for section in sections for group in section.groups for tile in group]
    if not tiles:
        return False
    check = "quick" if diagnosis.quick else "full"
    title = f"data doctor on {Path(diagnosis.dataset_dir).name}: {check} check, {verdict(diagnosis)}"
    bands = [_text_band([titled(title, phantom=diagnosis.phantom)], width, large, "#000000")]
    bands.append(_legend(width, font, sorted({kind for tile in tiles for kind in tile.picture.masks})))
    for section in sections:
        bands.append(_text_band([section.title], width, large, section.colour))
        if section.lines:
            bands.append(_text_band(section.lines, width, font, BACKGROUND))
        for row in _rows(section.groups):
            drawn = [_draw_tile(tile, font) for tile in row]
            band = Image.new("RGB", (width, max(tile.height for tile in drawn) + 2 * GAP), BACKGROUND)
            for column, tile in enumerate(drawn):
                band.paste(tile, (GAP + column * (TILE_WIDTH + GAP), GAP))
            bands.append(band)
    sheet = Image.new("RGB", (width, sum(band.height for band in bands)), BACKGROUND)
    top = 0
    for band in bands:
        sheet.paste(band, (0, top))
        top += band.height
    save_photograph(np.asarray(sheet), path)
    return True


def _sections(diagnosis: Diagnosis) -> Iterator[_Section]:
    for severity in SEVERITIES:
        colour = COLOURS[severity]
        section = _Section(f"{severity.upper()}S ({len(diagnosis.of(severity))})", colour, [], [])
        for (other, kind), findings in diagnosis.by_kind().items():
            if other != severity:
                continue
            shown = [finding for finding in findings if finding.pictures]
            groups = [[_tile(finding, place) for place in range(len(finding.pictures))][:COLUMNS] for finding in shown]
            used = accumulate(map(len, groups))
            kept = [group for group, tiles in zip(groups, used, strict=True) if tiles <= TILES_PER_KIND]
            count = f"{kind} ({len(findings)}, {len(kept)} shown)" if len(kept) < len(shown) else kind
            count = f"{kind} ({len(findings)})" if count == kind and len(findings) > 1 else count
            section.groups.extend([[tile._replace(heading=count, colour=colour) for tile in group] for group in kept])
            if not shown and severity != NOTE:
                more = f" and {len(findings) - 1} more" * (len(findings) > 1)
                section.lines.append(f"without picture: {kind}: {_short(findings[0])}{more}")
        if section.groups or section.lines:
            yield section
    if diagnosis.samples:
        samples = [[_Tile(sample.picture, sample.caption)] for sample in diagnosis.samples]
        yield _Section("Samples in which nothing was found", PLAIN, samples, [])


def _tile(finding: Finding, place: int) -> _Tile:
    """A finding of several pictures (such as twins) shows them side by side, the message under the first."""
    picture = finding.pictures[place]
    if place == 0:
        return _Tile(picture, _short(finding))
    subject = finding.subjects[place] if place < len(finding.subjects) else picture.path.name
    return _Tile(picture, f"{_last(subject)} (with the one before)")


def _short(finding: Finding) -> str:
    """The finding with file names instead of paths."""
    subjects = ", ".join(_last(subject) for subject in finding.subjects)
    return f"{subjects}: {finding.message}" if subjects else finding.message


def _last(subject: str) -> str:
    last = subject.rsplit("/", 1)[-1]
    return last if "." in last else subject


def _rows(groups: list[list[_Tile]]) -> Iterator[list[_Tile]]:
    """Rows of at most `COLUMNS` tiles that tear no group apart."""
    row: list[_Tile] = []
    for group in groups:
        if row and len(row) + len(group) > COLUMNS:
            yield row
            row = []
        row = row + group
    if row:
        yield row


def _draw_tile(tile: _Tile, font: Font) -> Image.Image:
    from PIL import Image, ImageDraw

    line_height = TEXT + 4
    heading = _wrap(tile.heading, TILE_WIDTH - 8, font) if tile.heading else []
    caption = _wrap(tile.caption, TILE_WIDTH, font)
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


def _legend(width: int, font: Font, kinds: list[str]) -> Image.Image:
    from PIL import Image, ImageDraw

    band = Image.new("RGB", (width, TEXT + 10 if kinds else 1), "#000000")
    draw = ImageDraw.Draw(band)
    x = float(GAP)
    for kind in sorted(kinds, key=lambda kind: list(LESION_COLOURS).index(kind) if kind in LESION_COLOURS else 99):
        draw.rectangle((x, 3, x + TEXT, 3 + TEXT), fill=colour_of(kind, kinds))
        draw.text((x + TEXT + 6, 2), f"{kind} mask", fill="white", font=font)
        x += font.getlength(f"{kind} mask") + 3 * TEXT
    return band


def _text_band(texts: list[str], width: int, font: Font, colour: str) -> Image.Image:
    from PIL import Image, ImageDraw

    lines = [line for text in texts for line in _wrap(text, width - 2 * GAP, font)]
    height = int(font.getbbox("Ag")[3]) + 6
    band = Image.new("RGB", (width, height * len(lines) + 6), colour)
    draw = ImageDraw.Draw(band)
    for row, line in enumerate(lines):
        draw.text((GAP, 4 + row * height), line, fill="white", font=font)
    return band


def _wrap(text: str, width: float, font: Font) -> list[str]:
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
