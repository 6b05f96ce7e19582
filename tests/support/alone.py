"""An environment that has a bundle's stated packages and what they need, and nothing else of what is installed here."""

from __future__ import annotations

import importlib.metadata
import os
import sys
import venv
from collections.abc import Iterable
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name


def closure(requirements: Iterable[str]) -> dict[str, importlib.metadata.Distribution]:
    """The stated distributions and all that they require here, by name."""
    found: dict[str, importlib.metadata.Distribution] = {}
    waiting = [(Requirement(line), "") for line in requirements if line.strip()]
    while waiting:
        requirement, extra = waiting.pop()
        if requirement.marker and not requirement.marker.evaluate({"extra": extra}):
            continue
        name = canonicalize_name(requirement.name)
        try:
            distribution = importlib.metadata.distribution(name)
        except importlib.metadata.PackageNotFoundError:
            continue
        known = name in found
        found[name] = distribution
        extras = ["", *requirement.extras] if not known else requirement.extras
        for text in distribution.requires or []:
            waiting += [(Requirement(text), extra) for extra in extras]
    return found


def make_environment(folder: Path, requirements: Iterable[str]) -> Path:
    """A virtual environment whose packages are links to those installed here.

    Returns:
        its Python.
    """
    venv.create(folder, with_pip=False, symlinks=True)
    site = folder / "lib" / f"python{sys.version_info.major}.{sys.version_info.minor}" / "site-packages"
    for distribution in closure(requirements).values():
        tops = {file.parts[0] for file in distribution.files or [] if file.parts[0] not in ("..", "__pycache__")}
        for top in tops:
            source = Path(str(distribution.locate_file(top)))
            if source.exists() and not (site / top).exists():
                os.symlink(source, site / top)
    return folder / "bin" / "python"
