"""The older HDF5 form: read, converted, refused."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from PIL import Image

from shared.errors import ConfigError, DataError
from tests.support.bundle import REPOSITORY

pytestmark = pytest.mark.usefixtures("pets_scripts")

NUMBER, SIDE = 5, 16
PAGE = REPOSITORY / "bundles" / "pets_mtl" / "docs" / "README.md"


def content(seed: int) -> dict[str, np.ndarray]:
    random = np.random.default_rng(seed)
    boxes = np.array([[2, 3, 9, 12]] * NUMBER, np.float32)
    boxes[1] = 0
    masks = np.zeros((NUMBER, SIDE, SIDE, 1), np.float32)
    masks[:, 3:14, 1:12] = 1
    return {
        "images": random.integers(0, 256, (NUMBER, SIDE, SIDE, 3)).astype(np.float32),
        "masks": masks,
        "bboxes": boxes,
        "binary": (np.arange(NUMBER)[:, None] % 2).astype(np.float32),
    }


def write(folder: Path, *, prefix: str = "", chunked: bool = False, seed: int = 0) -> dict[str, np.ndarray]:
    folder.mkdir(parents=True)
    made = content(seed)
    for name, values in made.items():
        with h5py.File(folder / f"{name}.h5", "w") as file:
            file.create_dataset(f"{prefix}{name}", data=values, chunks=(1, *values.shape[1:]) if chunked else None)
    return made


def convert(source: Path, target: Path, **options: Any) -> int:
    from scripts.hdf5 import convert_hdf5

    return convert_hdf5(source, target, **options)


@pytest.mark.parametrize(("prefix", "chunked"), [("", False), ("chunked_", True), ("anything ", True)])
def test_samples_are_what_was_written(tmp_path: Path, prefix: str, chunked: bool) -> None:
    from scripts.hdf5 import read_hdf5

    made = write(tmp_path / "train", prefix=prefix, chunked=chunked)
    samples = list(read_hdf5(tmp_path / "train"))
    assert len(samples) == NUMBER
    for number, sample in enumerate(samples):
        assert np.array_equal(sample.image, made["images"][number])
        assert np.array_equal(sample.mask, made["masks"][number, ..., 0] > 0)
        assert sample.box.tolist() == made["bboxes"][number].tolist()
        assert sample.positive == bool(number % 2)


def test_converted_and_read_as_the_official_layout(tmp_path: Path) -> None:
    from scripts.datalist import make_datalist
    from scripts.load import LoadPetd
    from scripts.pets import read_pets

    made = write(tmp_path / "old" / "train")
    write(tmp_path / "old" / "val", seed=1)
    write(tmp_path / "old" / "test", seed=2)
    assert convert(tmp_path / "old", tmp_path / "new", positive="cat") == 3 * NUMBER
    found = {entry.name: entry for entry in read_pets(tmp_path / "new").entries}
    entry = found["train_0"]
    assert (entry.breed, entry.species, entry.subset) == (-1, 1, "trainval")
    assert (found["test_1"].species, found["test_1"].subset) == (0, "test")
    # Pixels 2 to 9 and 3 to 12 belong to the box, the last ones too.
    assert entry.box == (2, 3, 10, 13)
    assert found["train_1"].box is None
    assert np.array_equal(np.asarray(Image.open(entry.image)), made["images"][0])
    tasks = [{"name": "pet", "kind": "mask"}, {"name": "breed", "kind": "grade", "num_classes": 37}]
    lists = make_datalist(tmp_path / "new", tasks=tasks, protocol="official")
    assert [len(items) for items in lists.values()] == [9, 1, 5]
    item = next(item for items in lists.values() for item in items if item["name"] == "train_0")
    assert item["labelled"] == [True, False]
    assert item["grades"] == [-1]
    assert np.array_equal(LoadPetd((SIDE, SIDE))(item)["masks"][0].numpy(), made["masks"][0, ..., 0])


def damage(folder: Path, what: str) -> None:
    if what == "a file is absent":
        (folder / "masks.h5").unlink()
    elif what == "it is no HDF5":
        (folder / "masks.h5").write_bytes(b"no")
    else:
        (folder / "masks.h5").unlink()
        shape = {"another shape": (NUMBER, SIDE, SIDE), "another length": (NUMBER - 1, SIDE, SIDE, 1)}
        other_size = (NUMBER, SIDE, SIDE - 1, 1)
        with h5py.File(folder / "masks.h5", "w") as file:
            for name in ("a", "b") if what == "unknown datasets" else ("masks",):
                file.create_dataset(name, data=np.zeros(shape.get(what, other_size)))


@pytest.mark.parametrize(
    ("what", "said"),
    [
        ("a file is absent", r"masks\.h5: there is no such file"),
        ("it is no HDF5", r"masks\.h5: it cannot be read"),
        ("unknown datasets", r"its datasets are \['a', 'b'\]"),
        ("another shape", r"has the shape \(5, 16, 16\)"),
        ("another length", "5 images, 4 masks"),
        ("another size", r"its mask \(16, 15, 1\)"),
    ],
)
def test_files_that_are_not_as_expected(tmp_path: Path, what: str, said: str) -> None:
    write(tmp_path / "old")
    damage(tmp_path / "old", what)
    with pytest.raises(DataError, match=said):
        convert(tmp_path / "old", tmp_path / "new")
    assert {path.name for path in tmp_path.iterdir()} == {"old"}


def test_after_a_failure_midway_the_same_folder_can_be_written(tmp_path: Path) -> None:
    write(tmp_path / "old" / "train")
    write(tmp_path / "old" / "val")
    (tmp_path / "old" / "val" / "masks.h5").rename(tmp_path / "masks.h5")
    (tmp_path / "new").mkdir()
    with pytest.raises(DataError, match="there is no such file"):
        convert(tmp_path / "old", tmp_path / "new")
    assert list((tmp_path / "new").iterdir()) == []
    (tmp_path / "masks.h5").rename(tmp_path / "old" / "val" / "masks.h5")
    assert convert(tmp_path / "old", tmp_path / "new") == 2 * NUMBER
    assert {path.name for path in tmp_path.iterdir()} == {"old", "new"}
    (tmp_path / "plain").mkdir()
    assert (tmp_path / "new").stat().st_mode == (tmp_path / "plain").stat().st_mode


def test_the_documented_line_converts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    line = re.search(r"^PYTHONPATH=bundles/pets_mtl python -c \"(.*)\"$", PAGE.read_text(), flags=re.M)
    assert line is not None
    write(tmp_path / "old" / "train")
    monkeypatch.chdir(tmp_path)
    exec(line[1], {})
    assert len(list((tmp_path / "new" / "images").iterdir())) == NUMBER


@pytest.mark.parametrize(
    ("name", "values", "said"),
    [
        ("masks", np.full((SIDE, SIDE, 1), 3), r"image 1 has the values \[3.0\] in its mask"),
        ("images", np.full((SIDE, SIDE, 3), 0.4), "image 1 has values 0.4 to 0.4"),
        ("images", np.full((SIDE, SIDE, 3), np.nan), "image 1 has values nan"),
        ("images", np.full((SIDE, SIDE, 3), 256), "values 256 to 256"),
        ("bboxes", (9, 12, 2, 3), "the box .9.0, 12.0, 2.0, 3.0. in 16x16"),
        ("bboxes", (2, 3, 18, 12), "the box"),
        ("bboxes", (0.1, 0.2, 0.6, 0.7), "the box"),
        ("bboxes", (np.nan, 3, 9, 12), "the box"),
        ("binary", 2, "2 in binary.h5"),
    ],
)
def test_values_that_would_be_read_falsely(tmp_path: Path, name: str, values: Any, said: str) -> None:
    write(tmp_path / "old")
    with h5py.File(tmp_path / "old" / f"{name}.h5", "a") as file:
        file[name][1] = values
    with pytest.raises(DataError, match=said):
        convert(tmp_path / "old", tmp_path / "new")


def test_an_edge_rounded_out_of_the_image_ends_at_it(tmp_path: Path) -> None:
    from scripts.pets import read_pets

    write(tmp_path / "old")
    with h5py.File(tmp_path / "old" / "bboxes.h5", "a") as file:
        file["bboxes"][0] = (-1, 3, SIDE, 12)
    convert(tmp_path / "old", tmp_path / "new")
    assert {entry.name: entry.box for entry in read_pets(tmp_path / "new").entries}["train_0"] == (0, 3, SIDE, 13)


def test_nothing_is_overwritten_and_the_species_must_be_one(tmp_path: Path) -> None:
    write(tmp_path / "old")
    with pytest.raises(DataError, match="is not empty"):
        convert(tmp_path / "old", tmp_path / "old")
    with pytest.raises(ConfigError, match="cat or dog"):
        convert(tmp_path / "old", tmp_path / "new", positive="bird")
