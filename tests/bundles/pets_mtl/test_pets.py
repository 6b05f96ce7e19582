"""Reading Oxford-IIIT Pet's official layout, sound and broken."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from shared.errors import ConfigError, DataError

pytestmark = pytest.mark.usefixtures("pets_scripts")


def read(folder: Path, **options: Any) -> Any:
    from scripts.pets import read_pets

    return read_pets(folder, **options)


def read_box(path: Path) -> Any:
    from scripts.head_box import read_head_box

    return read_head_box(path)


def box_file(folder: Path, name: str = "Phantom_Cat_1_1") -> Path:
    return folder / "annotations" / "xmls" / f"{name}.xml"


def change(file: Path, old: str, new: str) -> None:
    text = file.read_text()
    assert old in text
    file.write_text(text.replace(old, new, 1))


def test_phantoms_are_read_as_they_were_drawn(phantom_pets: Path) -> None:
    from shared.phantoms import phantom_facts

    found = read(phantom_pets)
    assert (found.absent, found.problems, found.unlisted) == ([], [], [])
    drawn = {fact["name"]: fact for fact in phantom_facts(phantom_pets)["animals"]}
    assert [entry.name for entry in found.entries] == sorted(drawn)
    for entry in found.entries:
        fact = drawn[entry.name]
        assert (entry.breed, entry.species, entry.subset) == (fact["breed"], fact["species"], fact["subset"])
        assert entry.box == (tuple(fact["head"]) if fact["has_box"] else None)
    assert sum(entry.box is None for entry in found.entries if entry.subset == "trainval") > 0


def test_the_box_counts_from_one_and_holds_its_last_pixel(tmp_path: Path) -> None:
    file = tmp_path / "a.xml"
    corners = "<xmin>1</xmin><ymin>3</ymin><xmax>10</xmax><ymax>5</ymax>"
    size = "<size><width>10</width><height>5</height></size>"
    file.write_text(f"<annotation>{size}<object><bndbox>{corners}</bndbox></object></annotation>")
    assert read_box(file) == (0, 2, 10, 5)
    file.write_text(f"<annotation>{size}</annotation>")
    assert read_box(file) is None


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("<xmin>", "<xmin>9", "turned round"),
        ("<xmax>", "<xmax>9", "outside the image"),
        ("<ymin>", "<ymin>-", "outside the image"),
        ("<ymax>", "<ymax>x", "four numbers"),
        ("<xmax>", "<other>", "cannot be read"),
        ("<annotation>", '<!DOCTYPE a [<!ENTITY b "c">]><annotation>', "no annotation"),
    ],
)
def test_a_box_that_cannot_be(pets: Path, old: str, new: str, said: str) -> None:
    change(box_file(pets), old, new)
    with pytest.raises(DataError, match=said) as caught:
        read(pets)
    assert "Phantom_Cat_1_1.xml" in str(caught.value)
    found = read(pets, allow_missing=True)
    assert len(found.entries) == 72
    assert {entry.name: entry.box for entry in found.entries}["Phantom_Cat_1_1"] is None
    assert "Phantom_Cat_1_1.xml" in found.problems[0]


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("Phantom_Cat_1_99 38 1 1", "breed 38"),
        ("Phantom_Cat_1_99 -1 1 1", "-1 1 1"),
        ("Phantom_Cat_1_99 1 3 1", "species 3"),
        ("Phantom_Cat_1_99", "Phantom_Cat_1_99"),
        ("Phantom_Cat_1_99 one 1 1", "one"),
        ("Phantom_Cat_1_99 \u00b2 1 1", "Phantom_Cat_1_99"),  # a digit that is no number
        ("Phantom_Cat_1_1 1 1 1", "after Phantom_Cat_1_1 was listed in trainval.txt"),
        ("Phantom_Cat_1_2 1 1 1", "after"),  # test.txt's
    ],
)
def test_lines_that_cannot_be(pets: Path, line: str, said: str) -> None:
    with (pets / "annotations" / "trainval.txt").open("a") as file:
        file.write(line + "\n")
    with pytest.raises(DataError, match=said):
        read(pets)


def test_lists_that_contradict_each_other(pets: Path) -> None:
    change(pets / "annotations" / "list.txt", "Phantom_Cat_1_1 1 1", "Phantom_Cat_1_1 3 1")
    with pytest.raises(DataError, match="breed 1, species 1"):
        read(pets)


@pytest.mark.parametrize("kind", ["image", "trimap"])
def test_listed_without_file(pets: Path, kind: str) -> None:
    folder, suffix = {"image": ("images", "jpg"), "trimap": ("annotations/trimaps", "png")}[kind]
    (pets / folder / f"phantom_dog_2_1.{suffix}").unlink()
    with pytest.raises(DataError, match=f"1 listed without {kind}: phantom_dog_2_1"):
        read(pets)
    found = read(pets, allow_missing=True)
    assert len(found.entries) == 71
    assert "phantom_dog_2_1" in found.problems[0]


def test_a_name_with_two_images_is_refused(pets: Path) -> None:
    (pets / "images" / "phantom_dog_2_1.png").write_bytes((pets / "images" / "phantom_dog_2_1.jpg").read_bytes())
    with pytest.raises(DataError, match="1 with several images: phantom_dog_2_1"):
        read(pets)
    assert "several images" in read(pets, allow_missing=True).problems[0]


def test_an_unlisted_image_is_named_and_not_used(pets: Path) -> None:
    (pets / "images" / "guest.jpg").write_bytes((pets / "images" / "phantom_dog_2_1.jpg").read_bytes())
    found = read(pets)
    assert (found.unlisted, len(found.entries)) == (["guest"], 72)


def test_another_folder(pets: Path, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"did you mean .*pets\?"):
        read(pets / "images")
    with pytest.raises(DataError, match=r"trimaps/Abyssinian_1\.png"):
        read(tmp_path / "nothing")
    for name in ("list", "trainval", "test"):
        (pets / "annotations" / f"{name}.txt").unlink()
    with pytest.raises(DataError, match="no list file names an image"):
        read(pets)


def test_border_policies() -> None:
    from scripts.trimap import pet_mask

    trimap = np.array([[1, 2, 3]], np.uint8)
    assert pet_mask(trimap, border="pet").pet.tolist() == [[True, False, True]]
    assert pet_mask(trimap, border="background").pet.tolist() == [[True, False, False]]
    ignored = pet_mask(trimap, border="ignored")
    assert ignored.counted.tolist() == [[True, True, False]]
    assert pet_mask(trimap, border="pet").counted.all()
    with pytest.raises(ConfigError, match="one of pet, background, ignored"):
        pet_mask(trimap, border="both")


@pytest.mark.parametrize(
    ("values", "said"),
    [
        (np.full((4, 5), 4, np.uint8), r"values \[4\]"),
        (np.full((4, 5, 3), 1, np.uint8), "3 channels"),
        (np.full((5, 5), 1, np.uint8), "is 5x5, its image 5x4"),
    ],
)
def test_trimaps_that_cannot_be(tmp_path: Path, values: np.ndarray, said: str) -> None:
    from scripts.trimap import read_trimap

    Image.fromarray(values).save(tmp_path / "a.png")
    with pytest.raises(DataError, match=said):
        read_trimap(tmp_path / "a.png", size=(4, 5))
    (tmp_path / "b.png").write_bytes(b"\x89PNG")
    with pytest.raises(DataError, match="cannot be read"):
        read_trimap(tmp_path / "b.png")


@pytest.mark.real
def test_the_real_images(real_pets: Path) -> None:
    found = read(real_pets)
    assert len(found.entries) == 240
    assert sum(entry.box is None for entry in found.entries) == 4
    assert Counter(entry.breed for entry in found.entries) == {0: 80, 1: 80, 5: 80}
    assert found.absent == ["test.txt"]
    assert {entry.species for entry in found.entries if entry.name[0].isupper()} == {0}
