"""One volume as it was found, and what was wrong with its files."""

from __future__ import annotations

import re
from pathlib import Path
from typing import NamedTuple

from shared.errors import DataError


class Scan(NamedTuple):
    """A volume with its reference, if there is one; nothing opened yet.

    ``image`` and ``label`` are what `shared.data.VolumeFile` takes. ``gaps``: its B-scans may be numbered with gaps.
    """

    vendor: str
    patient: str
    name: str
    image: Path
    label: Path | None = None
    gaps: bool = False


class Problem(NamedTuple):
    """``kind`` as the data doctor calls it; ``subject``: a volume's name, or a path below the data set's folder."""

    kind: str
    subject: str
    error: DataError


class Found(NamedTuple):
    """Volumes sorted by name, what cannot be used, and what was left alone (one line each)."""

    scans: list[Scan]
    problems: list[Problem]
    notes: list[str]


def patient_of(name: str) -> str:
    """The patient by a volume's name: letters and number, without what follows (DUKE001 of DUKE001U, TRAIN001_OD)."""
    match = re.match(r"[A-Za-z]*[-_ ]?\d+", name)
    return match[0] if match else name
