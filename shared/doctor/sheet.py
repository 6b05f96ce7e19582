"""The contact sheet: small pictures of what is wrong under a heading per kind, and samples of what is not."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import accumulate
from pathlib import Path
from typing import NamedTuple

import numpy as np

from shared.doctor.diagnosis import Diagnosis
from shared.doctor.finding import ERROR, NOTE, SEVERITIES, WARNING, Finding
from shared.doctor.text import verdict
from shared.doctor.tile import (
    BACKGROUND,
    GAP,
    HEADING,
    PLAIN,
    TEXT,
    TILE_WIDTH,
    Tile,
    draw_tile,
    legend_band,
    text_band,
)
from shared.draw.look import save_photograph, titled

COLUMNS = 5
TILES_PER_KIND = 5
COLOURS = {ERROR: "#b3261e", WARNING: "#8a5a00", NOTE: PLAIN}


class _Section(NamedTuple):
    """``groups`` of tiles that stay side by side, and ``lines`` about findings without a picture."""

    title: str
    colour: str
    groups: list[list[Tile]]
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
    bands = [text_band([titled(title, phantom=diagnosis.phantom)], width, large, "#000000")]
    bands.append(legend_band(width, font, sorted({kind for tile in tiles for kind in tile.picture.masks})))
    for section in sections:
        bands.append(text_band([section.title], width, large, section.colour))
        if section.lines:
            bands.append(text_band(section.lines, width, font, BACKGROUND))
        for row in _rows(section.groups):
            drawn = [draw_tile(tile, font) for tile in row]
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
        samples = [[Tile(sample.picture, sample.caption)] for sample in diagnosis.samples]
        yield _Section("Samples in which nothing was found", PLAIN, samples, [])


def _tile(finding: Finding, place: int) -> Tile:
    """A finding of several pictures (such as twins) shows them side by side, the message under the first."""
    picture = finding.pictures[place]
    if place == 0:
        return Tile(picture, _short(finding))
    subject = finding.subjects[place] if place < len(finding.subjects) else picture.path.name
    return Tile(picture, f"{_last(subject)} (with the one before)")


def _short(finding: Finding) -> str:
    """The finding with file names instead of paths."""
    subjects = ", ".join(_last(subject) for subject in finding.subjects)
    return f"{subjects}: {finding.message}" if subjects else finding.message


def _last(subject: str) -> str:
    last = subject.rsplit("/", 1)[-1]
    return last if "." in last else subject


def _rows(groups: list[list[Tile]]) -> Iterator[list[Tile]]:
    """Rows of at most `COLUMNS` tiles that tear no group apart."""
    row: list[Tile] = []
    for group in groups:
        if row and len(row) + len(group) > COLUMNS:
            yield row
            row = []
        row = row + group
    if row:
        yield row
