"""Draws the eyes of a plan, in several processes where there is enough to draw."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from scripts.phantoms.files import write_eye
from scripts.phantoms.plan import plan_eyes
from shared.phantoms.workers import draw_shares, serve

# Below this many megapixels in all, starting processes costs more than it saves.
_WORTH_A_PROCESS = 6.0


def draw_all(
    folder: Path, settings: dict[str, Any], *, size: Sequence[int], workers: int | None, progress: bool
) -> list[dict[str, Any]]:
    """Draws every eye planned for ``settings`` (arguments of ``plan_eyes``) into ``folder``.

    Returns:
        what is true of each eye, in the order of the plan, whatever the number of workers.

    Raises:
        OSError: if a file cannot be written or a worker fails.
    """
    number = len(plan_eyes(**settings))
    megapixels = number * size[0] * size[1] / 1e6
    facts = draw_shares(
        draw_share,
        {"folder": str(folder), "settings": settings, "size": list(size)},
        module="scripts.phantoms.work",
        bundle_root=Path(__file__).resolve().parents[2],
        number=number,
        workers=workers or (None if megapixels > _WORTH_A_PROCESS else 1),
        unit="eye",
        progress=progress,
    )
    return sorted(facts, key=lambda fact: fact["eye"])


def draw_share(order: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Draws every ``step``-th eye from ``first`` on."""
    settings, size = order["settings"], order["size"]
    rgba = f"A/test/IDRiD_{sum(settings['num_masked']):02d}"
    for eye in plan_eyes(**settings)[order["first"] :: order["step"]]:
        yield write_eye(Path(order["folder"]), eye, size=(size[0], size[1]), seed=settings["seed"], rgba=rgba)


if __name__ == "__main__":
    serve(draw_share)
