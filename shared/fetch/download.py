"""One file over HTTP: what is there already is not asked for again, and what is not right is not kept."""

from __future__ import annotations

import contextlib
import hashlib
import http.client
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import IO, Any

from shared.errors import DataError
from shared.files import WRITABLE, system_error
from shared.progress import progress_bar

BLOCK = 1 << 18
TIMEOUT_S = 60.0
PART = ".part"


def download(url: str, path: str | Path, *, md5: str, attempts: int = 5, pause_s: float = 2.0) -> Path:
    """Download a file; ``path`` appears only when it is whole and its checksum right.

    Until then its beginning is kept beside it (``.part``), and asked for no more: a broken connection is taken up again
    at once, and after the last attempt, or when the process was killed, by the next call.

    Args:
        md5: 32 hexadecimal digits.
        attempts: connections to try in a row without any new byte.
        pause_s: between them, in seconds.

    Raises:
        DataError: the server does not give it, the connection breaks again and again, the checksum is wrong (nothing is
            kept then), or it cannot be written.
    """
    path = Path(path)
    part = path.with_name(path.name + PART)
    if path.is_file() and _md5(path) == md5:
        return path
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        _complete(url, part, attempts=attempts, pause_s=pause_s)
        found = _md5(part)
        if found != md5:
            part.unlink()
            raise DataError(
                f"{url} has the MD5 checksum {found}",
                expected=md5,
                fix="run the command again; if it stays so, the file has changed or is altered on its way",
            )
        part.replace(path)
    except OSError as error:
        system = system_error(error)
        raise DataError(
            f"cannot write {path}: {system}", expected=WRITABLE, fix="free space, or name another --output_dir"
        ) from error
    return path


def _complete(url: str, part: Path, *, attempts: int, pause_s: float) -> None:
    failures = 0
    while True:
        before = _size(part)
        try:
            if _continue(url, part):
                return
            problem: Exception | str = "the connection ended early"
        except (urllib.error.URLError, http.client.HTTPException, ConnectionError, TimeoutError) as error:
            refused = isinstance(error, urllib.error.HTTPError) and error.code < 500
            if refused:
                raise _failed(url, part, error, again="correct the address, or look whether it has moved") from error
            problem = error
        failures = 1 if _size(part) > before else failures + 1
        if failures >= attempts:
            raise _failed(url, part, problem, again="look at the network and run the command again: it continues there")
        time.sleep(pause_s)


def _continue(url: str, part: Path) -> bool:
    """Ask for what is missing; whether the file is whole then."""
    have = _size(part)
    request = urllib.request.Request(url, headers={"Range": f"bytes={have}-"} if have else {})
    try:
        answer = urllib.request.urlopen(request, timeout=TIMEOUT_S)
    except urllib.error.HTTPError as error:
        if error.code != http.client.REQUESTED_RANGE_NOT_SATISFIABLE:
            raise
        # Nothing is left to ask for: whole, or longer than the server's file, which the checksum tells.
        return True
    with contextlib.closing(answer):
        starts = have if answer.status == http.client.PARTIAL_CONTENT else 0
        length = answer.headers.get("Content-Length")
        total = starts + int(length) if length else None
        with (
            part.open("ab" if starts else "wb") as file,
            progress_bar(
                total=total, initial=starts, desc=url.rsplit("/", 1)[-1], unit="B", unit_scale=True, unit_divisor=1024
            ) as bar,
        ):
            _copy(answer, file, bar.update)
    return total is None or _size(part) >= total


def _copy(answer: Any, file: IO[bytes], moved: Callable[[int], object]) -> None:
    while block := answer.read(BLOCK):
        file.write(block)
        moved(len(block))


def _size(path: Path) -> int:
    return path.stat().st_size if path.is_file() else 0


def _md5(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, lambda: hashlib.md5(usedforsecurity=False)).hexdigest()


def _failed(url: str, part: Path, problem: Exception | str, *, again: str) -> DataError:
    return DataError(
        f"cannot download {url}: {problem}; {_size(part):,} bytes are kept in {part.name}",
        expected="the file from its official address",
        fix=again,
    )
