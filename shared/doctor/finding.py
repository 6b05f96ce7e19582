"""One thing that a data doctor found."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

ERROR, WARNING, NOTE = "error", "warning", "note"
SEVERITIES = (ERROR, WARNING, NOTE)


class Picture(NamedTuple):
    """What the contact sheet shows: a photograph, or any other picture file, with ``masks`` (files) by kind on it.

    Where the file is no picture (a volume), ``drawn`` makes one, uint8 RGB ``[H, W, 3]``, masks included; it may raise
    a DataError.
    """

    path: Path
    masks: Mapping[str, Path] = {}
    drawn: Callable[[], NDArray[np.uint8]] | None = None


@dataclass(frozen=True)
class Finding:
    """One defect or oddity.

    Args:
        severity: ``"error"`` (training would stop or learn something false), ``"warning"`` (worth a look), ``"note"``.
        kind: short name of the defect, the same for all findings of its kind, such as "mask of another size".
        message: what was found, with names and numbers, without the subject.
        subjects: photographs, files or tables concerned; names that lead to them from the data set's folder.
        fix: what to do about it.
        pictures: what to show of it.
    """

    severity: str
    kind: str
    message: str
    subjects: tuple[str, ...] = ()
    fix: str = ""
    pictures: tuple[Picture, ...] = field(default=(), repr=False)

    def __post_init__(self) -> None:
        if self.severity not in SEVERITIES:
            raise ValueError(f"severity {self.severity!r} is none of {', '.join(SEVERITIES)}")

    def __str__(self) -> str:
        return f"{', '.join(self.subjects)}: {self.message}" if self.subjects else self.message
