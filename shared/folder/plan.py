"""What is to be read, cut into shards: written once, so that a repeated start knows what is left."""

from __future__ import annotations

import importlib
import json
import os
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from shared.data.listing import SUFFIXES
from shared.errors import ConfigError, DataError
from shared.files import write_text
from shared.workflow.enter import use_scripts_of

# No folder gets more entries than this.
FAN_OUT = 1000


class Shard(NamedTuple):
    """A number, and files relative to the folder that is read."""

    number: int
    files: tuple[str, ...]

    @property
    def name(self) -> str:
        """Such as ``000012``."""
        return f"{self.number:06d}"

    @property
    def place(self) -> str:
        """Folder of its outputs, relative to the results'."""
        return f"outputs/{self.number // FAN_OUT:03d}/{self.name}"


def find_units(root: Path, *, bundle: Path) -> list[str]:
    """What a bundle reads one at a time below a folder, as sorted relative paths.

    Of a bundle whose ``scripts.source`` has ``find_volumes``, what that finds; else files with the ending of a picture.
    Nothing hidden. No file is opened: what cannot be read is found out when its turn comes.

    Raises:
        DataError: no such folder, or nothing in it.
    """
    if not root.is_dir():
        raise DataError(f"{root} is no folder", expected="a folder of photographs or volumes", fix="correct the path")
    use_scripts_of(str(bundle))
    source: Any = importlib.import_module("scripts.source") if (bundle / "scripts" / "source.py").is_file() else None
    if hasattr(source, "find_volumes"):
        found = sorted(path.relative_to(root).as_posix() for path in source.find_volumes(root))
    else:
        found = sorted(_pictures(root))
    if not found:
        raise DataError(
            f"{root} holds nothing that {bundle.name} reads",
            expected=f"files ending in {', '.join(sorted(SUFFIXES))}, or volumes",
            fix="correct the path",
        )
    return found


def _pictures(root: Path) -> Iterable[str]:
    for folder, folders, files in os.walk(root):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        inner = Path(folder).relative_to(root)
        for name in files:
            if not name.startswith(".") and Path(name).suffix.lower() in SUFFIXES:
                yield (inner / name).as_posix()


def read_plan(file: Path) -> list[Shard]:
    """The shards of an earlier start; none where there is no plan."""
    if not file.is_file():
        return []
    lines = [json.loads(line) for line in file.read_text().splitlines()]
    return [Shard(int(line["shard"]), tuple(line["files"])) for line in lines]


def make_plan(file: Path, found: Sequence[str], *, batch: int) -> list[Shard]:
    """Shards of ``batch`` files; those of an earlier start are kept, and what is new in the folder comes after them.

    Args:
        file: the plan's, rewritten where something is new.
        found: relative paths.
        batch: files per shard.

    Raises:
        ConfigError: no sensible number.
    """
    if isinstance(batch, bool) or not isinstance(batch, int) or not 1 <= batch <= FAN_OUT:
        raise ConfigError(f"--batch is {batch!r}", expected=f"1 to {FAN_OUT}", fix="correct the number")
    shards = read_plan(file)
    known = {name for shard in shards for name in shard.files}
    new = [name for name in found if name not in known]
    first = len(shards)
    shards += [
        Shard(first + place, tuple(new[start : start + batch])) for place, start in enumerate(range(0, len(new), batch))
    ]
    if new:
        lines = (json.dumps({"shard": shard.number, "files": shard.files}, ensure_ascii=False) for shard in shards)
        write_text(file, "\n".join(lines) + "\n")
    return shards
