"""Full-size photographs with all five masks: real ones where they are, else drawn."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from benchmarks.bundle_scripts import scripts_of

REPOSITORY = Path(__file__).resolve().parents[1]
BUNDLE = REPOSITORY / "bundles" / "idrid_moe_mtl"
REAL = REPOSITORY.parent / "shared" / "data" / "idrid"
FULL_SIZE = (2848, 4288)
MASKS = ("MA", "HE", "EX", "SE", "OD")


def find_items(dataset_dir: str, *, number: int, size: tuple[int, int] = FULL_SIZE) -> tuple[list[dict[str, Any]], str]:
    """Items of a data list, each with a photograph and five mask files, and in words where they are from.

    Args:
        dataset_dir: a folder in IDRiD's layout; ``"phantoms"`` draws some into the git-ignored ``data/``; ``"auto"``
            takes the real ones at `REAL` if they are there.
        number: how many, fewer if there are fewer.
        size: (height, width) of phantoms.
    """
    with scripts_of(BUNDLE):
        return _find(dataset_dir, number=number, size=size)


def _find(dataset_dir: str, *, number: int, size: tuple[int, int]) -> tuple[list[dict[str, Any]], str]:
    from scripts.idrid import read_idrid
    from scripts.phantoms import ensure_phantoms, is_phantom

    if dataset_dir == "auto":
        dataset_dir = str(REAL) if REAL.is_dir() else "phantoms"
    folder = Path(dataset_dir)
    if dataset_dir == "phantoms":
        drawn = {"num_masked": (2 * number, 0), "num_graded": (0, 0), "size": size, "twins": 0.0}
        folder = ensure_phantoms(REPOSITORY / "data" / "phantoms", **drawn)
    entries = [entry for entry in read_idrid(folder, allow_missing=True).entries if entry.part == "A"]
    entries.sort(key=lambda entry: (-len(entry.masks), entry.name))
    items = [
        {
            "image": str(entry.image),
            "name": entry.name,
            "mask_paths": [str(entry.masks.get(mask, "")) for mask in MASKS],
            "labelled": [True] * len(MASKS),
        }
        for entry in entries[:number]
    ]
    return items, "phantoms" if is_phantom(folder) else "photographs of IDRiD"
