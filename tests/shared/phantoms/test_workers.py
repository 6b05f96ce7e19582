"""Drawing processes: the same facts from any number of them, and their failures are told."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from shared.phantoms.workers import draw_shares

PROGRAM = """
import os, sys
from shared.phantoms.workers import serve

def draw(order):
    for part in range(order["parts"])[order["first"]::order["step"]]:
        if part == order.get("breaks"):
            raise OSError(28, "No space left on device")
        yield {"part": part, "process": os.getpid(), "torch": "torch" in sys.modules}

if __name__ == "__main__":
    serve(draw)
"""


@pytest.fixture
def draw(tmp_path: Path) -> Callable[..., list[dict[str, Any]]]:
    (tmp_path / "drawing_program.py").write_text(PROGRAM)
    specification = importlib.util.spec_from_file_location("drawing_program", tmp_path / "drawing_program.py")
    assert specification is not None
    assert specification.loader is not None
    module = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(module)

    def run(workers: int, **order: Any) -> list[dict[str, Any]]:
        return draw_shares(
            module.draw,
            {"parts": 5} | order,
            module="drawing_program",
            bundle_root=tmp_path,
            number=5,
            workers=workers,
            unit="part",
            progress=False,
        )

    return run


@pytest.mark.parametrize(("workers", "processes"), [(1, 1), (2, 2), (9, 5)])
def test_every_part_is_drawn_once(draw: Callable[..., list[dict[str, Any]]], workers: int, processes: int) -> None:
    facts = draw(workers)
    assert sorted(fact["part"] for fact in facts) == [0, 1, 2, 3, 4]
    assert len({fact["process"] for fact in facts}) == processes


def test_workers_do_not_load_torch(draw: Callable[..., list[dict[str, Any]]]) -> None:
    assert not any(fact["torch"] for fact in draw(2))


@pytest.mark.parametrize("workers", [1, 2])
def test_a_failure_is_told(draw: Callable[..., list[dict[str, Any]]], workers: int) -> None:
    with pytest.raises(OSError, match="No space left on device"):
        draw(workers, breaks=3)
