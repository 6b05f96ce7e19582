"""Memory-mapped samples: those of a plain data set, decoded once, opened once in every process."""

from __future__ import annotations

import pickle
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from monai.transforms import Compose, RandFlipd, Transform
from PIL import Image
from torch.utils.data import DataLoader

from shared.data.dataset import SeededDataset
from shared.data.mapped import MappedDataset
from shared.errors import DataError

CALLS: list[str] = []


class Decode(Transform):
    """Reads a picture; counts."""

    def __init__(self, size: int = 8) -> None:
        self.size = size

    def __call__(self, data: Mapping[str, Any]) -> dict[str, Any]:
        CALLS.append(data["name"])
        with Image.open(data["image"]) as image:
            pixels = np.asarray(image.resize((self.size, self.size)) if self.size else image)
        return dict(data) | {"image": torch.from_numpy(pixels.copy())[None], "grade": torch.tensor(3)}


@pytest.fixture
def items(tmp_path: Path) -> list[dict[str, Any]]:
    made = []
    for number in range(5):
        pixels = np.random.default_rng(number).integers(0, 256, (8 + number, 9), dtype=np.uint8)
        Image.fromarray(pixels).save(tmp_path / f"{number}.png")
        made.append({"image": str(tmp_path / f"{number}.png"), "name": str(number), "note": [number]})
    CALLS.clear()
    return made


def all_of(data: Any) -> list[Any]:
    """A MONAI data set does not end by itself: an index past the end begins anew."""
    return [data[index] for index in range(len(data))]


def chain(size: int = 8) -> Compose:
    return Compose([Decode(size), RandFlipd("image", prob=0.5, spatial_axis=1)])


def mapped(items: list[dict[str, Any]], tmp_path: Path, *, size: int = 8) -> MappedDataset:
    return MappedDataset(items, chain(size), cache_dir=tmp_path / "cache", seed=1)


def assert_same(one: Any, other: Any) -> None:
    assert len(one) == len(other) == 5
    for first, second in zip(one, other, strict=True):
        assert first.keys() == second.keys()
        assert (first["name"], first["note"]) == (second["name"], second["note"])
        assert torch.equal(torch.as_tensor(first["image"]), torch.as_tensor(second["image"]))
        assert int(first["grade"]) == 3


def test_the_same_samples_as_without_decoded_once(items: list[dict[str, Any]], tmp_path: Path) -> None:
    plain = all_of(SeededDataset(items, chain(), seed=1))
    CALLS.clear()
    data = mapped(items, tmp_path)
    assert CALLS == []
    assert_same(all_of(data), plain)
    assert_same(all_of(data), plain)
    assert_same(all_of(mapped(items, tmp_path)), plain)
    assert sorted(CALLS) == ["0", "1", "2", "3", "4"]
    assert [path.name for path in (tmp_path / "cache").iterdir() if path.is_dir()] == [data.folder.name]


def test_what_a_transform_changes_in_place_is_not_stored(items: list[dict[str, Any]], tmp_path: Path) -> None:
    data = mapped(items, tmp_path)
    first = data.stored(0)
    kept = first["image"].clone()
    first["image"].zero_()
    first["note"].append(9)
    assert torch.equal(data.stored(0)["image"], kept)
    assert data.stored(0)["note"] == [0]


def test_other_processes_open_the_arrays_for_themselves(items: list[dict[str, Any]], tmp_path: Path) -> None:
    data = mapped(items, tmp_path)
    plain = all_of(data)
    assert len(pickle.dumps(data)) < 20_000
    assert_same(all_of(pickle.loads(pickle.dumps(data))), plain)
    loaded = list(DataLoader(data, batch_size=None, num_workers=1))
    assert_same(loaded, plain)


def test_another_file_or_parameter_is_another_folder(items: list[dict[str, Any]], tmp_path: Path) -> None:
    folder = mapped(items, tmp_path).folder
    assert mapped(items, tmp_path, size=16).folder != folder
    Image.fromarray(np.zeros((30, 30), np.uint8)).save(items[0]["image"])
    assert mapped(items, tmp_path).folder != folder


def test_samples_that_differ_are_refused_and_nothing_is_left(items: list[dict[str, Any]], tmp_path: Path) -> None:
    data = mapped(items, tmp_path, size=0)
    with pytest.raises(DataError, match=r"1\.png differs from the first sample in image"):
        data.stored(0)
    assert not [path for path in (tmp_path / "cache").iterdir() if path.is_dir()]


def test_a_folder_that_cannot_be_written(items: list[dict[str, Any]], tmp_path: Path) -> None:
    (tmp_path / "cache").write_text("a file")
    with pytest.raises(DataError, match="cache_dir"):
        mapped(items, tmp_path).stored(0)
