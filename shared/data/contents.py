"""What tells files of one name apart, without reading them whole."""

from __future__ import annotations

import zlib
from pathlib import Path

from shared.data.volume_file import data_files
from shared.data.volume_header import is_volume_file
from shared.errors import DataError

READ = 65536


def content_key(path: str | Path) -> str:
    """File name, size and checksum of its beginning; of a volume: of beginning, middle and end of all its files (its
    header may be the same as others', and its beginning black).

    Raises:
        DataError: the file cannot be read.
    """
    path = Path(path)
    if is_volume_file(path) or path.is_dir() or "*" in path.name:
        files, places = data_files(path), [0.0, 0.5, 1.0]
    else:
        files, places = [path], [0.0]
    size, checksum = 0, 0
    try:
        for member in files:
            with member.open("rb") as file:
                length = member.stat().st_size
                size += length
                for place in places:
                    file.seek(int(place * max(0, length - READ)))
                    checksum = zlib.crc32(file.read(READ), checksum)
    except OSError as error:
        raise DataError(
            f"cannot read {path}: {error}", expected="a picture or volume", fix="restore the file"
        ) from error
    return f"{path.name} {size} {checksum:08x}"
