"""Which volumes have a spacing in their headers that is not to be taken for millimetres."""

from __future__ import annotations

import json
import logging
from itertools import pairwise
from pathlib import Path
from typing import Any

from shared.data.volume_header import volume_stem

INDEX = "index.json"
LEVELS = 4
logger = logging.getLogger(__name__)


def is_nominal(image: str | Path) -> bool:
    """Whether an ``index.json`` in a folder above says that the volume's B-scans were picked out of a denser scan at
    uneven distances (``{"DUKE001": {"bscan_index0": [10, 15, 20, 25, 28, ...]}}``, as the converted Duke set has it):
    no header can give their distance then.
    """
    image = Path(image)
    names = {image.parent.name, volume_stem(image)}
    for folder in list(image.parents)[:LEVELS]:
        entries = _entries(folder / INDEX)
        for name in names & entries.keys():
            entry = entries[name]
            numbers: list[int] = entry.get("bscan_index0") or entry.get("bscans") or []
            return len({after - before for before, after in pairwise(numbers)}) > 1
        if entries:
            return False
    return False


def _entries(path: Path) -> dict[str, dict[str, Any]]:
    try:
        content = json.loads(path.read_text())
    except FileNotFoundError:
        return {}
    except (OSError, ValueError) as error:
        logger.warning("%s cannot be read (%s)", path, error)
        return {}
    return (
        {key: value for key, value in content.items() if isinstance(value, dict)} if isinstance(content, dict) else {}
    )
