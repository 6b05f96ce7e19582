"""TIFF's LZW compression (TIFF 6.0, section 13), decoded step by step: an independent check of mask files.

tifffile reads the file's structure; its own LZW decoder would need another package.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import tifffile

CLEAR, END = 256, 257


def decode_lzw(data: bytes) -> bytes:
    bits = int.from_bytes(data, "big")
    position, total = 0, 8 * len(data)
    table: list[bytes] = []
    out: list[bytes] = []
    width, previous = 9, b""
    while position + width <= total:
        code = (bits >> (total - position - width)) & ((1 << width) - 1)
        position += width
        if code == END:
            break
        if code == CLEAR:
            table = [bytes([value]) for value in range(256)] + [b"", b""]
            width, previous = 9, b""
            continue
        entry = table[code] if code < len(table) else previous + previous[:1]
        out.append(entry)
        if previous:
            table.append(previous + entry[:1])
        previous = entry
        width = 9 + sum(len(table) >= limit for limit in (511, 1023, 2047))
    return b"".join(out)


def read_lzw_tiff(path: Path) -> np.ndarray:
    """Indices ``[H, W]`` of an 8-bit palette TIFF in LZW strips without predictor."""
    with tifffile.TiffFile(path) as file:
        page = file.pages[0]
        assert (page.compression, page.predictor, page.bitspersample) == (5, 1, 8)
        strips = []
        for offset, count in zip(page.dataoffsets, page.databytecounts, strict=True):
            file.filehandle.seek(offset)
            strips.append(decode_lzw(file.filehandle.read(count)))
        return np.frombuffer(b"".join(strips), np.uint8).reshape(page.shape)
