"""IDRiD part C: where the optic disc and the fovea are centred."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

from scripts.idrid import read_table
from shared.errors import DataError


class Centres(NamedTuple):
    """In pixels of the photograph as published (4288x2848), x to the right and y down; None where not given."""

    disc_yx: tuple[float, float] | None
    fovea_yx: tuple[float, float] | None


def read_centres(dataset_dir: str | Path) -> dict[str, Centres]:
    """Centres by the name of part B's photograph, such as ``B/train/IDRiD_001``; empty if part C is absent.

    Raises:
        DataError: for coordinates that are no numbers, and photographs given twice.
    """
    points: dict[str, dict[str, tuple[float, float]]] = {"disc": {}, "fovea": {}}
    for table in sorted(Path(dataset_dir).glob("C.*/**/*.csv")):
        kind = "disc" if "OD_Center" in table.name else "fovea" if "Fovea_Center" in table.name else None
        subset = "test" if "testing" in table.name.lower() else "train"
        if kind is None:
            continue
        for line, (stem, x, y) in read_table(table, ["Image No", "X- Coordinate", "Y - Coordinate"]):
            name = f"B/{subset}/{stem}"
            try:
                point = (float(y), float(x))
            except ValueError:
                point = None
            if point is None or not stem or name in points[kind]:
                raise DataError(
                    f"{table}, line {line}: {stem!r} at {x!r}, {y!r}",
                    expected="a photograph that was not given before, and two numbers",
                    fix="correct the table, or download it again",
                )
            points[kind][name] = point
    names = sorted(points["disc"].keys() | points["fovea"].keys())
    return {name: Centres(points["disc"].get(name), points["fovea"].get(name)) for name in names}
