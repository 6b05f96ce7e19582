"""What the numbers of a bundle's label map mean."""

from __future__ import annotations

import json
from pathlib import Path

from shared.draw.look import colour_of, rgb
from shared.errors import ConfigError
from shared.tasks import parse_tasks


def label_numbers(root: str | Path) -> dict[str, int]:
    """Number by label, from 1; 0 is the background.

    Labels are the ``classes`` of the bundle's `inference.json`, or else its mask ``tasks``, in their order.

    Raises:
        ConfigError: it has neither.
    """
    file = Path(root) / "configs" / "inference.json"
    config = json.loads(file.read_text(encoding="utf-8"))
    if "classes" in config:
        names = [str(name) for name in config["classes"]]
    else:
        names = [task.name for task in parse_tasks(config["tasks"]).masks] if "tasks" in config else []
    if not names:
        raise ConfigError(
            f"{file} names nothing that a pixel can be",
            expected="`classes`, or `tasks` with a mask",
            fix="serve a bundle that segments",
        )
    return {name: number for number, name in enumerate(names, start=1)}


def label_colours(numbers: dict[str, int]) -> dict[str, list[int]]:
    """Red, green and blue, 0..255, by label: those of the project's figures."""
    return {name: [int(value) for value in rgb(colour_of(name, list(numbers)))] for name in numbers}
