"""What is installed with the repository, and under which licence: GPL only in the extras that say so."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterable
from importlib import metadata

from packaging.requirements import Requirement

from tests.support.bundle import REPOSITORY

PROJECT = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["project"]
SOLVERS = {"ecos", "qpsolvers", "quadprog"}
WITH_SOLVERS = {"pets", "dev"}


def installed(requirements: Iterable[str]) -> dict[str, set[str]]:
    """All distributions that these requirements bring, with the extras asked for."""
    found: dict[str, set[str]] = {}
    waiting = [Requirement(text) for text in requirements]
    while waiting:
        requirement = waiting.pop()
        name = re.sub(r"[-_.]+", "-", requirement.name).lower()
        extras = {"", *requirement.extras}
        if extras <= found.get(name, set()):
            continue
        found[name] = found.get(name, set()) | extras
        try:
            needed = [Requirement(text) for text in metadata.requires(name) or []]
        except metadata.PackageNotFoundError:
            continue
        waiting += [
            other
            for other in needed
            if other.marker is None or any(other.marker.evaluate({"extra": extra}) for extra in extras)
        ]
    return found


def is_gpl(name: str) -> bool:
    """Whether a distribution's metadata name the GPL or LGPL (not a text that quotes them)."""
    try:
        found = metadata.metadata(name)
    except metadata.PackageNotFoundError:
        return False
    short = [found.get("License-Expression") or "", (found.get("License") or "").splitlines()[:1]]
    words = [*map(str, short), *(line for line in found.get_all("Classifier") or [] if line.startswith("License"))]
    return bool(re.search(r"GPL|General Public License", " ".join(words)))


def test_the_gpl_is_in_the_extras_that_say_so_alone() -> None:
    base = installed(PROJECT["dependencies"])
    assert len(base) > 50
    assert {name for name in base if is_gpl(name)} == set()
    for extra, requirements in PROJECT["optional-dependencies"].items():
        expected = SOLVERS if extra in WITH_SOLVERS else set()
        assert {name for name in installed(requirements) if is_gpl(name)} == expected, extra


def test_the_page_on_gradient_weighting_names_them() -> None:
    page = (REPOSITORY / "docs" / "gradient_weighting.md").read_text().split("## Licences")[1]
    assert all(name in page for name in SOLVERS)
