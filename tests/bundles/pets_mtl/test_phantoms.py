"""Phantom pets: the same bytes whoever draws, heads where their boxes say, in every quarter, told from real data."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from shared.errors import ConfigError
from shared.phantoms import is_phantom, phantom_facts

pytestmark = pytest.mark.usefixtures("pets_scripts")


def make(folder: Path, **parameters: Any) -> Path:
    from scripts.phantoms import make_phantoms

    return make_phantoms(folder, **{"number": 8, "breeds": 4, "size": 64, "progress": False} | parameters)


def digest(folder: Path) -> dict[str, str]:
    files = sorted(file for file in folder.rglob("*") if file.is_file())
    return {str(file.relative_to(folder)): hashlib.sha256(file.read_bytes()).hexdigest() for file in files}


def test_one_or_two_workers_give_the_same_bytes_and_another_seed_others(tmp_path: Path) -> None:
    one, two = make(tmp_path / "one", workers=1), make(tmp_path / "two", workers=2)
    other = make(tmp_path / "other", workers=1, seed=1)
    assert digest(one) == digest(two)
    assert is_phantom(one)
    name = "images/Phantom_Cat_1_1.jpg"
    assert digest(one)[name] != digest(other)[name]


def test_boxes_hold_the_heads_and_lie_in_every_quarter(phantom_pets: Path) -> None:
    quarters = set()
    for fact in phantom_facts(phantom_pets)["animals"]:
        left, top, right, bottom = fact["head"]
        height, width = fact["size"]
        assert 0 <= left < right <= width
        assert 0 <= top < bottom <= height
        quarters.add(((left + right) / 2 > width / 2, (top + bottom) / 2 > height / 2))
        trimap = np.asarray(Image.open(phantom_pets / "annotations" / "trimaps" / f"{fact['name']}.png"))
        assert trimap.shape == (height, width)
        if fact["oddity"] != "no pet in trimap":
            assert set(np.unique(trimap)) == {1, 2, 3}
            assert (trimap[top:bottom, left:right] != 2).mean() > 0.5
    assert len(quarters) == 4


def test_stray_files_and_heading_of_the_real_archive(phantom_pets: Path) -> None:
    assert list((phantom_pets / "images").glob("*.mat"))
    assert list((phantom_pets / "annotations" / "trimaps").glob("._*"))
    assert (phantom_pets / "annotations" / "list.txt").read_text().startswith("#Image CLASS-ID SPECIES BREED ID")


def test_made_once_for_the_same_parameters(tmp_path: Path) -> None:
    from scripts.phantoms import ensure_phantoms

    parameters: dict[str, Any] = {"number": 4, "breeds": 2, "size": 48, "progress": False}
    first = ensure_phantoms(tmp_path, **parameters)
    before = digest(first)
    assert ensure_phantoms(tmp_path, **parameters) == first
    assert digest(first) == before
    assert ensure_phantoms(tmp_path, **parameters | {"seed": 1}) != first


@pytest.mark.parametrize("wrong", [{"breeds": 38}, {"breeds": 1}, {"number": 3}, {"size": 20}, {"seed": -1}])
def test_what_cannot_be_drawn(tmp_path: Path, wrong: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match="2 to 37 breeds"):
        make(tmp_path / "x", **wrong)
    assert not (tmp_path / "x").exists()
