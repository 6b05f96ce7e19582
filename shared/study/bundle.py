"""Which bundle a study file means."""

from __future__ import annotations

from pathlib import Path

import shared
from shared.errors import ConfigError


def find_bundle(name: str, *, study: Path) -> Path:
    """The folder of the bundle: a path, or a name in `bundles/` of the current directory or the repository.

    Raises:
        ConfigError: there is none.
    """
    homes = (Path.cwd(), study.resolve().parent.parent, Path(shared.__file__).parents[1])
    for place in (Path(name).expanduser(), *(home / "bundles" / name for home in homes), *(h / name for h in homes)):
        if (place / "configs" / "train.json").is_file():
            return place.resolve()
    known = sorted({file.parents[1].name for home in homes for file in home.glob("bundles/*/configs/train.json")})
    raise ConfigError(
        f"{study} names the bundle {name!r}, which is not to be found",
        expected=f"one of {', '.join(known)}" if known else "a bundle's folder",
        fix="correct `bundle`, or run from the repository's root",
    )
