"""The `scripts` of one bundle, for a while."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterator
from pathlib import Path

from shared.workflow.enter import forget_scripts, use_scripts_of


@contextlib.contextmanager
def scripts_of(bundle: Path) -> Iterator[None]:
    """Let ``scripts`` mean this bundle's, for a while."""
    path = list(sys.path)
    forget_scripts()
    use_scripts_of(str(bundle))
    try:
        yield
    finally:
        forget_scripts()
        sys.path[:] = path
