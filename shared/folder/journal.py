"""What has been done of a shard: a journal that survives the process, then one part of the results, written whole."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from shared.files import write_text
from shared.folder.plan import Shard
from shared.report.files import plain

STARTED, READ, FAILED = "started", "read", "failed"
# A file during which the process has died so often is not tried again.
MOST_STARTS = 3

Entry = dict[str, Any]


class Journal:
    """Of one shard: ``journal/NUMBER.jsonl`` while it is worked on, ``results/part-NUMBER.jsonl`` when it is done.

    A line is added before a file is read and another after it, so a killed process loses the file it was at and
    nothing else; half a line at the end is no line.

    Args:
        folder: of the results.
        shard: whose.
    """

    def __init__(self, folder: Path, shard: Shard) -> None:
        self.shard = shard
        self.file = folder / "journal" / f"{shard.name}.jsonl"
        self.part = folder / "results" / f"part-{shard.name}.jsonl"

    @property
    def is_done(self) -> bool:
        """Whether the part is written."""
        return self.part.is_file()

    @contextlib.contextmanager
    def alone(self) -> Iterator[None]:
        """Wait until no other process works on the shard, such as one whose command was killed a moment ago."""
        import fcntl

        self.file.parent.mkdir(parents=True, exist_ok=True)
        with self.file.with_suffix(".lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield

    def entries(self) -> dict[str, Entry]:
        """The last entry of each file of the part, or of the journal so far; with the number of ``starts``."""
        found: dict[str, Entry] = {}
        for entry in read_lines(self.part if self.is_done else self.file):
            starts = found.get(entry["file"], {}).get("starts", 0) + (entry["status"] == STARTED)
            found[entry["file"]] = entry | {"starts": starts}
        return found

    def ended(self) -> dict[str, Entry]:
        """Files that were read or have failed."""
        return {name: entry for name, entry in self.entries().items() if entry["status"] != STARTED}

    def add(self, entry: Entry) -> None:
        """Add a line."""
        self.file.parent.mkdir(parents=True, exist_ok=True)
        with self.file.open("a+b") as file:
            # After half a line of a killed process.
            if file.tell() and (file.seek(-1, 2), file.read(1))[1] != b"\n":
                file.write(b"\n")
            file.write(json.dumps(plain(entry), ensure_ascii=False).encode() + b"\n")

    def finish(self) -> Path:
        """Write the part and remove the journal."""
        ended = self.ended()
        write_text(self.part, as_lines([ended[name] for name in self.shard.files]))
        self.file.unlink(missing_ok=True)
        return self.part

    def reopen(self) -> int:
        """Let the failed files of a part be read again; returns how many."""
        entries = self.ended().values()
        failed = [entry for entry in entries if entry["status"] == FAILED]
        if self.is_done and failed:
            write_text(self.file, as_lines([entry for entry in entries if entry["status"] == READ]))
            self.part.unlink()
        elif failed:
            write_text(self.file, as_lines([entry for entry in entries if entry["status"] == READ]))
        return len(failed)


def as_lines(entries: Sequence[Entry]) -> str:
    """JSON, one entry a line."""
    return "".join(json.dumps(plain(entry), ensure_ascii=False) + "\n" for entry in entries)


def read_lines(file: Path) -> list[Entry]:
    """The whole lines of a file; none where there is no file."""
    found = []
    if file.is_file():
        for line in file.read_text(encoding="utf-8", errors="replace").splitlines():
            with contextlib.suppress(ValueError):
                found.append(json.loads(line))
    return found
