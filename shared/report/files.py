"""CSV and strict JSON of numpy's types and undefined numbers, written whole or not at all."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from shared.files import write_text


def write_json(path: str | Path, value: Any) -> Path:
    """Write strict JSON: numpy becomes plain, NaN and infinity become ``null``."""
    return write_text(path, json.dumps(plain(value), indent=1, allow_nan=False, ensure_ascii=False) + "\n")


def write_csv(path: str | Path, rows: Iterable[Mapping[str, Any]], columns: Sequence[str]) -> Path:
    """Write rows; what is missing, ``None`` or NaN stays empty."""
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, columns, extrasaction="raise", lineterminator="\n")
    writer.writeheader()
    writer.writerows({key: plain(value) for key, value in row.items()} for row in rows)
    return write_text(path, text.getvalue())


def plain(value: Any) -> Any:
    """Numpy and paths to JSON's own types, NaN and infinity to ``None``, recursively."""
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, np.ndarray):
        return plain(value.tolist())
    if isinstance(value, (list, tuple)):
        return [plain(item) for item in value]
    if isinstance(value, np.generic):
        return plain(value.item())
    if isinstance(value, float) and not np.isfinite(value):
        return None
    return str(value) if isinstance(value, Path) else value


def safe_name(name: str) -> str:
    """A name as part of a file name: letters, digits, ``-`` and ``_`` are kept, all else becomes ``_``."""
    return "".join(letter if letter.isalnum() or letter in "-_" else "_" for letter in name)
