"""Values over a plane, saved for reuse."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple
from zipfile import BadZipFile

import numpy as np
import numpy.typing as npt

from shared.errors import DataError
from shared.files import atomic_write

Array = npt.NDArray[np.float64]


class Surface(NamedTuple):
    """Losses on a grid of a plane.

    ``values_LAB`` has one [A, B] grid per name; NaN where a point is not computed yet. ``alpha_A`` and ``beta_B`` are
    coordinates along the plane's directions. ``key`` names everything the values depend on, by digest.
    """

    names: Sequence[str]
    alpha_A: Array
    beta_B: Array
    values_LAB: Array
    title: str
    key: Mapping[str, str]

    @property
    def waiting(self) -> list[tuple[int, int]]:
        """Grid places not computed yet, row by row."""
        return [(int(a), int(b)) for a, b in np.argwhere(np.isnan(self.values_LAB).any(0))]

    def values(self, name: str) -> Array:
        """The grid [A, B] of one loss."""
        return self.values_LAB[list(self.names).index(name)]

    @property
    def centre(self) -> dict[str, float]:
        """Every loss at 0, 0."""
        a, b = (int(np.abs(axis).argmin()) for axis in (self.alpha_A, self.beta_B))
        return {name: float(self.values_LAB[place, a, b]) for place, name in enumerate(self.names)}


def save_surface(surface: Surface, path: str | Path) -> Path:
    """Write a `.npz` atomically: an interruption leaves the last good file."""
    about = json.dumps({"names": list(surface.names), "title": surface.title, "key": dict(surface.key)})
    alpha_A, beta_B, values_LAB = surface.alpha_A, surface.beta_B, surface.values_LAB
    return atomic_write(
        path, lambda file: np.savez(file, about=np.array(about), alpha=alpha_A, beta=beta_B, values=values_LAB)
    )


def load_surface(path: str | Path) -> Surface:
    """Read what `save_surface` wrote.

    Raises:
        DataError: there is no such file, or it is no saved grid.
    """
    try:
        with np.load(path, allow_pickle=False) as content:
            about = json.loads(str(content["about"]))
            alpha_A, beta_B, values_LAB = (content[name] for name in ("alpha", "beta", "values"))
    except (OSError, ValueError, KeyError, EOFError, BadZipFile) as error:
        raise DataError(
            f"{path} cannot be read: {error}",
            expected="a grid that `python -m shared losses surface` saved",
            fix="delete it, and the surface is computed anew",
        ) from error
    return Surface(about["names"], alpha_A, beta_B, values_LAB, about["title"], about["key"])


def continued(new: Surface, path: str | Path) -> Surface:
    """The saved grid if it is one of the same things as ``new``, which has no values yet.

    Raises:
        DataError: the file holds another surface, with what differs.
    """
    if not Path(path).is_file():
        return new
    saved = load_surface(path)
    differences = [name for name, value in new.key.items() if saved.key.get(name) != value]
    if list(saved.names) != list(new.names):
        differences.append("losses")
    if not all(np.array_equal(*pair) for pair in ((saved.alpha_A, new.alpha_A), (saved.beta_B, new.beta_B))):
        differences.append("grid")
    if differences:
        raise DataError(
            f"{path} holds another surface: {', '.join(differences)} differ",
            expected="a grid of the same plane, images, losses and settings, or no file",
            fix="write to another folder (--output_dir), or delete the file",
        )
    return saved
