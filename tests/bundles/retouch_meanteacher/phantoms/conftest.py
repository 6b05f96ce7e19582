"""The drawing program, and one small data set drawn by it."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any, NamedTuple

import numpy as np
import pytest
from numpy.typing import NDArray

from shared.workflow.enter import forget_scripts, use_scripts_of

BUNDLE = Path(__file__).resolve().parents[4] / "bundles" / "retouch_meanteacher"
PARAMETERS: dict[str, Any] = {"volumes": (3, 3, 3), "unlabelled": (1, 0, 2), "scale": 0.25, "slice_scale": 0.125}


class Volume(NamedTuple):
    """One drawn volume as ITK reads it: ``image_NHW``, ``label_NHW`` (None where there is no reference), spacing
    (z, y, x) in mm, and what the program says of it."""

    image_NHW: NDArray[Any]
    label_NHW: NDArray[Any] | None
    spacing: tuple[float, ...]
    facts: dict[str, Any]


class Drawn(NamedTuple):
    """A finished phantom data set."""

    folder: Path
    facts: dict[str, Any]
    volumes: list[Volume]

    @property
    def labelled(self) -> list[tuple[Volume, NDArray[Any]]]:
        return [(volume, volume.label_NHW) for volume in self.volumes if volume.label_NHW is not None]


@pytest.fixture(scope="module")
def phantoms() -> Iterator[ModuleType]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "path", list(sys.path))
        forget_scripts()
        use_scripts_of(str(BUNDLE))
        yield importlib.import_module("scripts.phantoms")
        forget_scripts()


@pytest.fixture(scope="module")
def drawn(phantoms: ModuleType, tmp_path_factory: pytest.TempPathFactory) -> Drawn:
    import itk

    folder = phantoms.ensure_phantoms(tmp_path_factory.mktemp("phantoms"), workers=1, progress=False, **PARAMETERS)
    facts = phantoms.phantom_facts(folder)
    volumes = []
    for fact in facts["volumes"]:
        place = folder / f"RETOUCH-TrainingSet-{fact['vendor']}" / fact["patient"]
        image = itk.imread(str(place / "oct.mhd"))
        reference = place / "reference.mhd"
        label_NHW = np.array(itk.array_from_image(itk.imread(str(reference)))) if reference.exists() else None
        spacing = tuple(float(step) for step in itk.spacing(image))[::-1]
        volumes.append(Volume(np.array(itk.array_from_image(image)), label_NHW, spacing, fact))
    return Drawn(folder, facts, volumes)
