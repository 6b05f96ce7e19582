"""Tables for people, in plain text."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np


def format_table(columns: Sequence[str], rows: Sequence[Sequence[Any]], *, title: str = "") -> str:
    """Aligned text: words to the left, numbers to the right; NaN and ``None`` as a dash."""
    cells = [[str(column) for column in columns], *([_cell(value) for value in row] for row in rows)]
    widths = [max(len(row[index]) for row in cells) for index in range(len(columns))]
    numeric = [
        bool(rows) and all(_is_number(row[index]) or row[index] is None for row in rows)
        for index in range(len(columns))
    ]
    lines = [
        "  ".join(
            text.rjust(width) if right else text.ljust(width)
            for text, width, right in zip(row, widths, numeric, strict=True)
        ).rstrip()
        for row in cells
    ]
    rule = "-" * max(len(line) for line in lines)
    return "\n".join([*([title] if title else []), lines[0], rule, *lines[1:]])


def number(value: float | None, digits: int = 3) -> str:
    """A number with fixed digits, a dash for NaN or ``None``."""
    return "-" if value is None or np.isnan(value) else f"{value:.{digits}f}"


def with_interval(value: float, low: float, high: float) -> str:
    """``0.512 [0.431, 0.590]``; the bare number where there is no interval."""
    return number(value) if np.isnan(low) else f"{number(value)} [{number(low)}, {number(high)}]"


def _cell(value: Any) -> str:
    if value is None:
        return "-"
    if isinstance(value, (float, np.floating)):
        return number(float(value))
    return str(value)


def _is_number(value: Any) -> bool:
    return value is None or (isinstance(value, (int, float, np.number)) and not isinstance(value, bool))
