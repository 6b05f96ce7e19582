"""Names of output files: short where that is enough, and never one name for two inputs."""

from __future__ import annotations

import hashlib
from pathlib import Path


class OutputNames:
    """Remembers which name stands for which input, also those of earlier runs into the same folder.

    Of several ranks that write into one folder, each has to name all their inputs in one order (`name_for`) before the
    first is written: else two may give one name to different inputs.
    """

    def __init__(self) -> None:
        self.paths: dict[str, str] = {}

    def remember(self, name: str, path: str | Path) -> None:
        """``name`` stands for ``path``."""
        self.paths[name] = absolute(path)

    def name_for(self, path: str | Path, *, stem: str) -> str:
        """``stem``; where another input has it, ``stem`` with eight digits that depend on the path.

        So a repeated run writes to the same names.
        """
        resolved = absolute(path)
        distinct = f"{stem}-{hashlib.sha256(resolved.encode()).hexdigest()[:8]}"
        for name in (distinct, stem):
            if self.paths.get(name) == resolved:
                return name
        name = distinct if stem in self.paths else stem
        self.paths[name] = resolved
        return name


def absolute(path: str | Path) -> str:
    """What tells inputs apart."""
    return str(Path(path).resolve())
