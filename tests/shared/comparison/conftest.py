"""Folders of runs as training leaves them, with numbers that are known."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from shared.handlers.photograph_record import FILE

MEASURES = ("dice_disc", "accuracy_all")
PHOTOGRAPHS = {"training": ("a", "b", "c", "d"), "validation": ("x", "y", "z")}


@pytest.fixture
def write_run(tmp_path: Path) -> Callable[..., Path]:
    """Writes a run whose Dice is ``level + 0.1 epoch + 0.01 photograph``, and its accuracy half of it."""

    def write(name: str, *, level: float = 0.1, epochs: int = 3, best: int | None = None, **config: Any) -> Path:
        folder = tmp_path / name
        folder.mkdir(parents=True)
        with (folder / FILE).open("w", newline="") as file:
            writer = csv.writer(file)
            writer.writerow(["epoch", "part", "name", *MEASURES])
            for epoch in range(epochs + 1):
                for part, names in PHOTOGRAPHS.items():
                    for place, photograph in enumerate(names):
                        value = level + 0.1 * epoch + 0.01 * place
                        writer.writerow([epoch, part, photograph, value, "" if place == 2 else value / 2])
        (folder / "config.json").write_text(json.dumps(config))
        facts = {"seed": config.get("seed", 0), "phantom": True, "bundle": "discs", "commit": "abc", "date": "2026"}
        (folder / "run.json").write_text(json.dumps(facts))
        if best is not None:
            (folder / "model.json").write_text(json.dumps({"epoch": best}))
        return folder

    return write
