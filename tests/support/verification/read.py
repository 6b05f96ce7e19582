"""A bundle's configuration files as dictionaries."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

Config = dict[str, Any]


def read(root: Path, name: str) -> Config:
    """The content of ``configs/NAME.json``; a key that is there twice is an error."""
    return json.loads((root / "configs" / f"{name}.json").read_text(), object_pairs_hook=once)


def once(pairs: list[tuple[str, Any]]) -> Config:
    """The pairs as a dictionary."""
    names = [name for name, _ in pairs]
    assert len(names) == len(set(names)), f"a key is there twice: {sorted(n for n in names if names.count(n) > 1)}"
    return dict(pairs)


def configs(root: Path) -> dict[str, Config]:
    """All but the metadata, by name."""
    names = sorted(path.stem for path in (root / "configs").glob("*.json"))
    return {name: read(root, name) for name in names if name != "metadata"}


def at(config: Any, place: str) -> Any:
    """What is at ``a#b#c``, whether written so or nested; None where nothing is."""
    if isinstance(config, dict):
        for key, value in config.items():
            name = key.lstrip("+")
            if name == place:
                return value
            if place.startswith(f"{name}#") and (found := at(value, place[len(name) + 1 :])) is not None:
                return found
    return None


def expressions(value: Any) -> Iterator[str]:
    """All strings that MONAI evaluates."""
    if isinstance(value, dict):
        for item in value.values():
            yield from expressions(item)
    elif isinstance(value, list):
        for item in value:
            yield from expressions(item)
    elif isinstance(value, str) and value.startswith("$"):
        yield value
