"""Splits of Oxford-IIIT Pet: seeded and stratified, or official; and what one sample is."""

from __future__ import annotations

import logging
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from shared.data.dataset import PhotographDataset
from shared.errors import ConfigError, DataError

pytestmark = pytest.mark.usefixtures("pets_scripts")

PET = {"name": "pet", "kind": "mask"}
SPECIES = {"name": "species", "kind": "grade", "num_classes": 2}
BREED = {"name": "breed", "kind": "grade", "num_classes": 37}
BOX = {"name": "box", "kind": "box"}


def lists(folder: Path, **options: Any) -> Any:
    from scripts.datalist import make_datalist

    return make_datalist(folder, **{"tasks": [PET, SPECIES, BREED]} | options)


def load(item: dict[str, Any], *, size: tuple[int, int] = (64, 64)) -> dict[str, Any]:
    from scripts.load import LoadPetd

    return LoadPetd(size)(item)


def names(items: list[dict[str, Any]]) -> set[str]:
    return {item["name"] for item in items}


def test_seeded_split_is_stratified_and_disjoint(phantom_pets: Path) -> None:
    made = lists(phantom_pets, fractions=(0.5, 0.25, 0.25))
    assert {part: len(items) for part, items in made.items()} == {"training": 36, "validation": 18, "test": 18}
    for part, number in (("training", 6), ("validation", 3), ("test", 3)):
        assert set(Counter(item["grades"][1] for item in made[part]).values()) == {number}
    assert len(names(made["training"]) | names(made["validation"]) | names(made["test"])) == 72
    assert lists(phantom_pets, fractions=(0.5, 0.25, 0.25)) == made
    assert names(lists(phantom_pets, fractions=(0.5, 0.25, 0.25), split_seed=1)["test"]) != names(made["test"])


def test_eighty_ten_ten(phantom_pets: Path) -> None:
    made = lists(phantom_pets)
    assert sum(map(len, made.values())) == 72
    assert all(5 <= len(made[part]) <= 9 for part in ("validation", "test"))


def test_official_split(phantom_pets: Path) -> None:
    made = lists(phantom_pets, protocol="official")
    listed = (phantom_pets / "annotations" / "test.txt").read_text().split("\n")
    assert names(made["test"]) == {line.split()[0] for line in listed if line}
    assert not any(item["head_box"] for item in made["test"])
    assert len(made["training"]) + len(made["validation"]) == 36


def test_copies_of_a_file_stay_on_one_side(pets: Path) -> None:
    original = pets / "images" / "Phantom_Cat_1_1.jpg"
    for turn in range(2, 13):
        (pets / "images" / f"Phantom_Cat_1_{turn}.jpg").write_bytes(original.read_bytes())
    made = lists(pets)
    holding = [part for part, items in made.items() if any(item["grades"][1] == 0 for item in items)]
    assert len(holding) == 1


def test_tasks_choose_the_labels(phantom_pets: Path) -> None:
    item = lists(phantom_pets, tasks=[BREED])["training"][0]
    assert (item["mask_paths"], item["labelled"], len(item["grades"])) == ([], [True], 1)
    assert "masks" not in load(item)
    item = lists(phantom_pets, tasks=[SPECIES, PET])["training"][0]
    assert (len(item["mask_paths"]), item["mask_place"], len(item["grades"])) == (1, 1, 1)


def test_images_without_a_label_for_the_tasks_are_left_out(phantom_pets: Path) -> None:
    made = [item for part in lists(phantom_pets, tasks=[BOX]).values() for item in part]
    everything = [item for part in lists(phantom_pets, tasks=[PET, BOX]).values() for item in part]
    boxed = {item["name"] for item in everything if item["head_box"]}
    assert {item["name"] for item in made} == boxed
    assert 0 < len(boxed) < len(everything) == 72
    assert all(item["labelled"] == [True, bool(item["head_box"])] for item in everything)
    assert all(item["labelled"] == [True] and item["mask_paths"] == [] for item in made)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"protocol": "both"}, "seeded, official"),
        ({"border": "thick"}, "pet, background, ignored"),
        ({"fractions": (0.8, 0.1, 0.2)}, "sum 1"),
        ({"fractions": (0.9, 0.0, 0.1)}, "validation .more than 0."),
        ({"tasks": [{"name": "breed", "kind": "grade", "num_classes": 36}]}, r"breed \(37\)"),
        ({"tasks": [{"name": "head", "kind": "mask"}]}, "the mask pet"),
        ({"tasks": [{"name": "head", "kind": "box"}]}, "the box box"),
    ],
)
def test_keys_that_cannot_be(phantom_pets: Path, options: dict[str, Any], said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        lists(phantom_pets, **options)


def test_the_official_split_needs_its_list(pets: Path) -> None:
    (pets / "annotations" / "trainval.txt").unlink()
    (pets / "annotations" / "test.txt").unlink()
    assert len(lists(pets)["training"]) > 50
    with pytest.raises(DataError, match="set `protocol` to seeded"):
        lists(pets, protocol="official")


def test_a_sample(phantom_pets: Path) -> None:
    item = next(item for item in lists(phantom_pets, border="ignored")["training"] if item["head_box"])
    sample = load(item, size=(48, 64))
    assert sample["image"].shape == (3, 48, 64)
    assert sample["image"].dtype == sample["masks"].dtype == sample["counted"].dtype == torch.uint8
    assert sample["masks"].shape == sample["counted"].shape == (1, 48, 64)
    assert set(sample["masks"].unique().tolist()) == set(sample["counted"].unique().tolist()) == {0, 1}
    assert not (sample["masks"] & (1 - sample["counted"])).any()
    height, width = sample["photo_size"].tolist()
    assert (width, height) == Image.open(item["image"]).size
    expected = torch.tensor(item["head_box"]) / torch.tensor([width, height, width, height])
    torch.testing.assert_close(sample["box"], expected)
    assert bool(sample["has_box"])
    assert sample["labelled"].tolist() == [True] * 3


def test_the_mask_is_the_trimap_resized(phantom_pets: Path) -> None:
    item = lists(phantom_pets)["training"][0]
    trimap = np.asarray(Image.open(item["mask_paths"][0]))
    sample = load(item, size=trimap.shape)
    assert np.array_equal(sample["masks"][0].numpy().astype(bool), trimap != 2)


def test_odd_files_are_read_and_an_empty_trimap_is_no_label(
    phantom_pets: Path, caplog: pytest.LogCaptureFixture
) -> None:
    from shared.phantoms import phantom_facts

    oddities = {fact["name"]: fact["oddity"] for fact in phantom_facts(phantom_pets)["animals"] if fact["oddity"]}
    assert set(oddities.values()) == {"png inside", "gif inside", "cmyk", "no pet in trimap", "grey"}
    items = {item["name"]: item for part in lists(phantom_pets).values() for item in part}
    with caplog.at_level(logging.WARNING):
        for name, oddity in oddities.items():
            sample = load(items[name])
            assert sample["image"].shape == (3, 64, 64)
            assert float(sample["image"].float().std()) > 5
            assert bool(sample["labelled"][0]) == (oddity != "no pet in trimap")
    assert "no pixel of pet, so the image is unlabelled" in caplog.text


@pytest.mark.parametrize("border", ["pet", "background", "ignored"])
def test_a_trimap_of_border_alone_is_no_label_whatever_the_border_is(pets: Path, border: str) -> None:
    item = lists(pets, border=border)["training"][0]
    trimap = Path(item["mask_paths"][0])
    assert bool(load(item)["labelled"][0])
    with Image.open(trimap) as image:
        values_HW = np.array(image)
    Image.fromarray(np.where(values_HW == 1, 2, values_HW).astype(np.uint8)).save(trimap)
    assert not load(item)["labelled"][0]


def test_a_truncated_image_is_refused_by_name(pets: Path) -> None:
    file = pets / "images" / "phantom_dog_2_1.jpg"
    file.write_bytes(file.read_bytes()[:500])
    item = next(i for part in lists(pets).values() for i in part if i["name"] == "phantom_dog_2_1")
    with pytest.raises(DataError, match=r"phantom_dog_2_1\.jpg"):
        load(item)


def test_a_box_outside_the_image_that_its_file_does_not_tell(pets: Path) -> None:
    file = pets / "annotations" / "xmls" / "Phantom_Cat_1_1.xml"
    text = file.read_text()
    head, tail = text.split("<size>")[0], text.split("</size>")[1]
    file.write_text(head + tail.replace("<xmax>", "<xmax>9"))
    item = next(i for part in lists(pets).values() for i in part if i["name"] == "Phantom_Cat_1_1")
    with pytest.raises(DataError, match="outside the image of"):
        load(item)


@pytest.mark.parametrize("orientation", [2, 6])
def test_labelled_images_are_read_as_stored_like_their_labels(pets: Path, orientation: int) -> None:
    from scripts.doctor import draw_labels, examine
    from scripts.full_size import LoadPetMasksd
    from scripts.pets import read_pets

    item = next(i for part in lists(pets, tasks=[PET, SPECIES, BOX]).values() for i in part if i["head_box"])
    file = Path(item["image"])
    with Image.open(file) as image:
        stored = image.convert("RGB")
    assert stored.width != stored.height
    stored.save(file, "JPEG", quality=95)
    entry = next(entry for entry in read_pets(pets).entries if entry.image == file)
    plain, drawn = load(item), draw_labels(entry)
    exif = Image.Exif()
    exif[274] = orientation
    stored.save(file, "JPEG", quality=95, exif=exif)
    turned = load(item)
    assert all(torch.equal(turned[key], plain[key]) for key in ("image", "masks", "box", "photo_size"))
    assert LoadPetMasksd()(item)["photograph_masks"].shape[1:] == (stored.height, stored.width)
    assert np.array_equal(draw_labels(entry), drawn)
    alone = load({"image": item["image"]})
    assert not torch.equal(alone["image"], plain["image"])
    size = (stored.width, stored.height) if orientation == 6 else (stored.height, stored.width)
    assert tuple(alone["photo_size"].tolist()) == size
    for quick in (False, True):
        (finding,) = [found for found in examine(pets, quick=quick).findings if found.kind == "image stored turned"]
        assert (finding.severity, finding.subjects) == ("note", (item["name"],))
        assert f"EXIF orientation {orientation}" in finding.message


def test_a_cached_sample_is_the_same_and_another_border_is_another_sample(phantom_pets: Path, tmp_path: Path) -> None:
    from monai.transforms import Compose
    from scripts.load import LoadPetd

    def data(border: str) -> Any:
        items = lists(phantom_pets, border=border)["validation"]
        return PhotographDataset(items, Compose([LoadPetd((32, 32))]), cache_dir=tmp_path / "cache")

    first, again, other = data("pet")[0], data("pet")[0], data("background")[0]
    assert all(torch.equal(first[key], again[key]) for key in first if isinstance(first[key], torch.Tensor))
    assert first["masks"].sum() > other["masks"].sum()


@pytest.mark.real
def test_every_real_image_has_its_pet_and_its_head_within(real_pets: Path) -> None:
    made = lists(real_pets)
    assert sum(map(len, made.values())) == 240
    inside = []
    for item in [item for part in made.values() for item in part][::6]:
        sample = load(item, size=(128, 128))
        assert 0.02 < float(sample["masks"].float().mean()) < 0.98
        if sample["has_box"]:
            left, top, right, bottom = (sample["box"] * 128).round().int().tolist()
            inside.append(float(sample["masks"][0, top:bottom, left:right].float().mean()))
    assert len(inside) > 35
    assert np.median(inside) > 0.75
