"""Which eye a photograph shows, and what tells: its name, or the side of the disc."""

from __future__ import annotations

import re
from typing import NamedTuple

from shared.data.field_of_view import FieldOfView
from shared.report.findings import Disc

LEFT, RIGHT, UNKNOWN = "left", "right", "unknown"
WORDS = {"od": RIGHT, "r": RIGHT, "right": RIGHT, "os": LEFT, "l": LEFT, "left": LEFT}
CAPITALS = {"RE": RIGHT, "LE": LEFT}  # in small letters they are words of other languages
DIAMETERS_OFF = 1.0
WHOLE_FIELD = 4.0


class Laterality(NamedTuple):
    """``eye``: "left", "right" or "unknown". ``told_by``: "the data set", "the name", "the disc's side" or ""."""

    eye: str
    told_by: str


def laterality(*, stem: str, known: str = "", disc: Disc | None = None, field: FieldOfView | None = None) -> Laterality:
    """Which eye, by the first of these that tells.

    1. What the data set says. 2. The file's name: one of `WORDS` (in either case) or `CAPITALS` as a word of its own,
    such as ``anna-OS_2``; digits are no end of a word, so that ``P001L`` tells nothing, and neither do two words that
    contradict. 3. The disc's side: nasal to the middle of the field, right of it in a right eye. It tells nothing
    unless the field shows the posterior pole (at least four disc diameters wide) and the disc's centre is more than one
    disc diameter off its middle; it is wrong for a field that is not centred near the macula.

    Args:
        stem: of the photograph's file.
        known: "left", "right", or "".
        disc: in pixels of the photograph. field: of view, in the same.
    """
    if known in (LEFT, RIGHT):
        return Laterality(known, "the data set")
    words = re.split(r"[\W_]+", stem)
    eyes = {CAPITALS.get(word) or WORDS.get(word.lower()) for word in words} - {None}
    if len(eyes) == 1:
        return Laterality(str(eyes.pop()), "the name")
    if disc is None or field is None or field.diameter < WHOLE_FIELD * disc.diameter_px:
        return Laterality(UNKNOWN, "")
    off = (disc.centre_x - field.centre_x) / disc.diameter_px
    if abs(off) <= DIAMETERS_OFF:
        return Laterality(UNKNOWN, "")
    return Laterality(RIGHT if off > 0 else LEFT, "the disc's side")
