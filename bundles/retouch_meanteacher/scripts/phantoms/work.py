"""Draws the volumes of a plan, in several processes where there is enough to draw."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from scripts.phantoms.files import write_volume
from scripts.phantoms.plan import plan_volumes
from scripts.phantoms.vendors import scan_of
from shared.phantoms.workers import draw_shares, serve

# Below this many million voxels in all, starting processes costs more than it saves.
_WORTH_A_PROCESS = 6.0


def draw_all(folder: Path, settings: dict[str, Any], *, workers: int | None, progress: bool) -> list[dict[str, Any]]:
    """Draws every volume that ``settings`` (parameters of ``make_phantoms``) ask for into ``folder``.

    Returns:
        what is true of each volume, in the order of the plan, whatever the number of workers.

    Raises:
        OSError: if a file cannot be written or a worker fails.
    """
    planned = _plan(settings)
    voxels = 0
    for volume in planned:
        scan = scan_of(volume.vendor, model=volume.model, scale=settings["scale"], slice_scale=settings["slice_scale"])
        voxels += scan.shape[0] * scan.shape[1] * scan.shape[2]
    facts = draw_shares(
        draw_share,
        {"folder": str(folder), "settings": settings},
        module="scripts.phantoms.work",
        bundle_root=Path(__file__).resolve().parents[2],
        number=len(planned),
        workers=workers or (None if voxels > _WORTH_A_PROCESS * 1e6 else 1),
        unit="volume",
        progress=progress,
    )
    return sorted(facts, key=lambda fact: int(fact["patient"].removeprefix("TRAIN")))


def draw_share(order: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Draws every ``step``-th volume from ``first`` on."""
    settings = order["settings"]
    for volume in _plan(settings)[order["first"] :: order["step"]]:
        yield write_volume(
            Path(order["folder"]),
            volume,
            scale=settings["scale"],
            slice_scale=settings["slice_scale"],
            seed=settings["seed"],
        )


def _plan(settings: dict[str, Any]) -> list[Any]:
    return plan_volumes(volumes=settings["volumes"], unlabelled=settings["unlabelled"], seed=settings["seed"])


if __name__ == "__main__":
    serve(draw_share)
