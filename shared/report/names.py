"""Names of output files: short where that is enough, and never one name for two inputs."""

from __future__ import annotations

import hashlib
from pathlib import Path


class OutputNames:
    """Remembers which name stands for which input, also those of earlier runs into the same folder."""

    def __init__(self) -> None:
        self.paths: dict[str, str] = {}

    def remember(self, name: str, path: str | Path) -> None:
        """``name`` stands for ``path``."""
        self.paths[name] = absolute(path)

    def knows(self, path: str | Path) -> bool:
        """Whether an input has a name."""
        return absolute(path) in self.paths.values()

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
