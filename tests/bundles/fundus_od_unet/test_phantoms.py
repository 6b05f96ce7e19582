"""Phantoms in RIM-ONE r3's layout: read by its reader, two readers who differ, the same bytes for the same seed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from shared.errors import ConfigError
from shared.phantoms import dataset_folder

pytestmark = pytest.mark.usefixtures("fundus_scripts")

SCALE = 0.125


def make(folder: Path, **parameters: Any) -> Path:
    from scripts.phantoms import make_phantoms

    return make_phantoms(folder, **{"photographs": (3, 3), "scale": SCALE, "progress": False} | parameters)


def read(item: dict[str, Any], kind: str) -> np.ndarray:
    from scripts.masks import read_label, view_size

    size = view_size(item["image"], stereo=True)
    return read_label(item[kind], kind=kind, rule=item["rule"], size=size, stereo=True)


def ratio(item: dict[str, Any]) -> float:
    """Vertical cup-to-disc ratio, counted in rows."""
    return float(read(item, "cup").any(axis=1).sum() / read(item, "disc").any(axis=1).sum())


def test_the_reader_takes_them_and_readers_differ(tmp_path: Path) -> None:
    from scripts.datalist import make_datalist
    from scripts.masks import read_view
    from scripts.phantoms import is_phantom, phantom_facts

    from shared.report.findings import touches_border

    root = make(tmp_path / "drawn")
    assert is_phantom(root)
    facts = {fact["name"]: fact for fact in phantom_facts(root)["photographs"]}
    assert sorted(facts) == ["G-1-L", "G-1-R", "G-2-L", "N-1-L", "N-1-R", "N-2-L"]
    items = {}
    for reader in ("expert1", "expert2", "average"):
        lists = make_datalist(root, reader=reader)
        items[reader] = sorted([*lists["training"], *lists["test"]], key=lambda item: item["name"])
    for first, second, both in zip(*items.values(), strict=True):
        assert read_view(first["image"], stereo=True).full_size == (178, 134)
        one, other = read(first, "disc"), read(second, "disc")
        dice = 2 * (one & other).sum() / (one.sum() + other.sum())
        assert 0.85 < dice < 0.995
        np.testing.assert_array_equal(read(both, "disc"), one & other)
        assert not touches_border(one | other)
        assert not (read(first, "cup") & ~one).any()
        fact = facts[first["name"].split("/")[1]]
        assert (ratio(first) + ratio(second)) / 2 == pytest.approx(fact["vertical_cup_to_disc"], abs=0.06)
        assert fact["glaucoma"] == (fact["vertical_cup_to_disc"] > 0.55)


def test_the_disc_is_brighter_than_the_retina_and_the_cup_than_the_rim(tmp_path: Path) -> None:
    from scripts.datalist import make_datalist
    from scripts.masks import read_view

    for item in make_datalist(make(tmp_path / "drawn"), reader="expert1")["training"]:
        green_HW = read_view(item["image"], stereo=True).pixels_HW3[..., 1]
        disc, cup = read(item, "disc"), read(item, "cup")
        retina, rim, pale = (float(np.median(green_HW[where])) for where in (~disc, disc & ~cup, cup))
        assert retina + 15 < rim < pale - 8


def test_the_cup_moves_between_the_views_and_the_disc_does_not(tmp_path: Path) -> None:
    from scripts.phantoms.eye import SHIFT, draw_eye

    eye = draw_eye(glaucoma=False, left=True, scale=0.25, seed=(1,))
    half = eye.image_HW3.shape[1] // 2

    def moved(kind: str) -> float:
        mask = eye.masks["expert1", kind]
        return float(np.argwhere(mask[:, half:])[:, 1].mean() - np.argwhere(mask[:, :half])[:, 1].mean())

    assert moved("disc") == 0
    assert moved("cup") == pytest.approx(SHIFT * 0.25, abs=0.3)


def test_the_same_seed_gives_the_same_bytes(tmp_path: Path) -> None:
    def content(root: Path) -> dict[str, bytes]:
        return {path.relative_to(root).as_posix(): path.read_bytes() for path in root.rglob("*") if path.is_file()}

    first, second = (make(tmp_path / name, photographs=(1, 1)) for name in "ab")
    other = make(tmp_path / "c", photographs=(1, 1), seed=1)
    assert content(first) == content(second)
    jpeg = "Healthy/Stereo Images/N-1-L.jpg"
    assert content(first)[jpeg] != content(other)[jpeg]


def test_the_word_phantoms_draws_once(tmp_path: Path) -> None:
    from scripts.phantoms import ensure_phantoms

    wanted = {"photographs": [1, 0], "scale": SCALE, "progress": False}
    given = {"workspace": str(tmp_path), "phantoms": wanted, "ensure_phantoms": ensure_phantoms}
    folder = dataset_folder("phantoms", **given)
    drawn = (Path(folder) / "phantoms.json").stat().st_mtime_ns
    assert dataset_folder("phantoms", **given) == folder
    assert (Path(folder) / "phantoms.json").stat().st_mtime_ns == drawn
    assert dataset_folder(str(tmp_path), **given) == str(tmp_path)


@pytest.mark.parametrize("parameters", [{"scale": 2}, {"scale": 0.01}, {"photographs": (0, 0)}, {"photographs": 5}])
def test_bad_parameters(tmp_path: Path, parameters: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match="phantoms cannot be drawn"):
        make(tmp_path / "drawn", **parameters)
