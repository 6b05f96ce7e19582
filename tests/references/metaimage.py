"""MetaImage by hand: header lines, zlib and a plain loop. Shares nothing with `shared.data`."""

from __future__ import annotations

import zlib
from pathlib import Path
from typing import Any

import numpy as np


def read_plainly(path: Path) -> tuple[np.ndarray, dict[str, str]]:
    """Voxels [N, H, W] of a compressed ``.mhd`` of bytes, and the header's entries."""
    entries = dict(line.split(" = ") for line in path.read_text().splitlines())
    width, height, count = (int(word) for word in entries["DimSize"].split())
    assert entries["ElementType"] == "MET_UCHAR"
    assert entries["CompressedData"] == "True"
    content = zlib.decompress((path.parent / entries["ElementDataFile"]).read_bytes())
    assert len(content) == width * height * count
    volume: Any = np.zeros((count, height, width), np.uint8)
    for z in range(count):
        for y in range(height):
            first = (z * height + y) * width
            volume[z, y] = np.frombuffer(content[first : first + width], np.uint8)
    return volume, entries
