from __future__ import annotations

import logging
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from monai.data import DataLoader
from monai.transforms import Compose, NormalizeIntensityd, RandAffined, RandFlipd
from PIL import Image

from shared.data import dataset as dataset_module
from shared.data.dataset import PhotographDataset
from shared.data.sampling import Draw, GroupedBatchSampler
from shared.transforms.crop import RandLesionCropd
from shared.transforms.load import LoadPhotographd
from shared.transforms.photometric import RandPhotometricd
from tests.support.fundus import draw_fundus


@pytest.fixture
def items(tmp_path: Path) -> list[dict[str, Any]]:
    made = []
    for number in range(4):
        photograph, mask = tmp_path / f"{number}.jpg", tmp_path / f"{number}.tif"
        Image.fromarray(draw_fundus(seed=number)).save(photograph, quality=95)
        lesion = np.zeros((178, 268), bool)
        lesion[60 : 70 + number, 100:130] = True
        Image.fromarray(lesion).save(mask)
        made.append(
            {
                "image": str(photograph),
                "name": f"A/train/{number}",
                "mask_paths": [str(mask), ""] if number else ["", ""],
                "labelled": [True, bool(number), bool(number)],
                "grades": [number],
                "group": number,
                "leaks": False,
            }
        )
    return made


def pipeline(**load: Any) -> Compose:
    keys = ["image", "masks"]
    return Compose(
        [
            LoadPhotographd(**({"image_size": (64, 96)} | load)),
            RandLesionCropd(keys, spatial_size=(48, 64)),
            RandFlipd(keys, prob=0.5, spatial_axis=1),
            RandAffined(keys, prob=0.8, rotate_range=0.3, mode=["bilinear", "nearest"], padding_mode="zeros"),
            RandPhotometricd(prob=0.8),
            NormalizeIntensityd("image", subtrahend=[124, 116, 104], divisor=[58, 57, 57], channel_wise=True),
        ]
    )


def same(first: dict[str, Any], second: dict[str, Any]) -> bool:
    return first.keys() == second.keys() and all(
        torch.equal(torch.as_tensor(value), torch.as_tensor(second[key]))
        if isinstance(value, torch.Tensor)
        else value == second[key]
        for key, value in first.items()
    )


def test_sample_is_as_promised(items: list[dict[str, Any]]) -> None:
    sample = PhotographDataset(items, [LoadPhotographd(image_size=(64, 96))])[1]
    assert (sample["image"].shape, sample["image"].dtype) == ((3, 64, 96), torch.uint8)
    assert (sample["masks"].shape, sample["masks"].dtype) == ((2, 64, 96), torch.uint8)
    assert sample["masks"][0].sum() > 0
    assert sample["masks"][1].sum() == 0
    assert sample["labelled"].tolist() == [True, True, True]
    assert sample["grades"].tolist() == [1]
    assert sample["geometry"].shape == (8,)
    assert (sample["name"], sample["group"], sample["path"]) == ("A/train/1", 1, items[1]["image"])


def test_a_draw_depends_on_nothing_but_its_seed(items: list[dict[str, Any]], tmp_path: Path) -> None:
    draws = [Draw(index, seed) for index in range(4) for seed in (5, 6)]
    plain, cached = PhotographDataset(items, pipeline()), PhotographDataset(items, pipeline(), tmp_path / "cache")
    expected = [plain[draw] for draw in draws]
    assert not torch.equal(expected[2]["image"], expected[3]["image"])
    for other in (plain, cached, cached):
        for draw, sample in reversed(list(zip(draws, expected, strict=True))):
            assert same(other[draw], sample)
    assert same(plain[2], plain[2])
    assert not same(PhotographDataset(items, pipeline(), seed=1)[2], plain[2])


def test_iteration_ends_and_items_count_from_the_end(items: list[dict[str, Any]]) -> None:
    plain = PhotographDataset(items, pipeline())
    assert len(list(plain)) == len(items)
    assert same(plain[-1], plain[len(items) - 1])
    with pytest.raises(IndexError, match=f"item {len(items)} of {len(items)}"):
        plain[len(items)]


@pytest.mark.parametrize("workers", [1, 2])
def test_batches_do_not_depend_on_the_number_of_workers(
    items: list[dict[str, Any]], tmp_path: Path, workers: int
) -> None:
    def batches(num_workers: int) -> list[dict[str, Any]]:
        sampler = GroupedBatchSampler(["grades", *["masks"] * 3], batch_size=2, batches_per_epoch=4)
        dataset = PhotographDataset(items, pipeline(), tmp_path / "cache")
        return list(DataLoader(dataset, batch_sampler=sampler, num_workers=num_workers))

    for first, second in zip(batches(0), batches(workers), strict=True):
        assert first["image"].shape == (2, 3, 48, 64)
        assert same(first, second)


def test_cache_is_used_and_keyed_by_files_and_parameters(
    items: list[dict[str, Any]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    loads: list[str] = []
    original = LoadPhotographd.__call__

    def counted(self: LoadPhotographd, data: dict[str, Any]) -> dict[str, Any]:
        loads.append(data["name"])
        return original(self, data)

    monkeypatch.setattr(LoadPhotographd, "__call__", counted)
    cache = tmp_path / "cache"
    first = PhotographDataset(items, pipeline(), cache)[1]
    assert same(PhotographDataset(items, pipeline(), cache)[1], first)
    assert len(loads) == 1
    PhotographDataset(items, pipeline(fov_diameter=60), cache)[1]
    assert len(loads) == 2
    os.utime(items[1]["mask_paths"][0], ns=(1, 1))
    PhotographDataset(items, pipeline(), cache)[1]
    assert len(loads) == 3
    PhotographDataset([items[0], items[1] | {"grades": [3]}], pipeline(), cache)[1]
    assert len(loads) == 4
    PhotographDataset(items, pipeline(), cache)[1]
    assert len(loads) == 4
    assert not [file for file in cache.iterdir() if file.name.startswith(".")]


@pytest.mark.parametrize("damage", ["truncated", "empty", "flipped bit", "other content"])
def test_damaged_cache_files_are_made_anew(
    items: list[dict[str, Any]], tmp_path: Path, damage: str, caplog: pytest.LogCaptureFixture
) -> None:
    dataset = PhotographDataset(items, pipeline(), tmp_path / "cache")
    expected = dataset[1]
    (file,) = (tmp_path / "cache").iterdir()
    content = bytearray(file.read_bytes())
    if damage == "flipped bit":
        content[len(content) // 2] ^= 16
    file.write_bytes({"truncated": content[: len(content) // 2], "empty": b""}.get(damage, content))
    if damage == "other content":
        torch.save({"image": torch.zeros(3)}, file)
    with caplog.at_level(logging.WARNING):
        assert same(dataset[1], expected)
    assert "made anew" in caplog.text
    caplog.clear()
    assert same(dataset[1], expected)
    assert not caplog.text


def test_a_disk_that_cannot_be_written_costs_only_the_cache(
    items: list[dict[str, Any]], tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    expected = PhotographDataset(items, pipeline())[1]
    (tmp_path / "file").write_text("")
    with caplog.at_level(logging.WARNING):
        dataset = PhotographDataset(items, pipeline(), tmp_path / "file" / "cache")
        assert same(dataset[1], expected)
        assert same(dataset[1], expected)
    assert caplog.text.count("nothing can be cached") == 1

    def full(*_: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(dataset_module.torch, "save", full)
    assert same(PhotographDataset(items, pipeline(), tmp_path / "cache")[1], expected)
    assert list((tmp_path / "cache").iterdir()) == []


def test_masks_survive_packing_at_odd_sizes(items: list[dict[str, Any]], tmp_path: Path) -> None:
    transforms = [LoadPhotographd(image_size=(37, 53))]
    cached = PhotographDataset(items, transforms, tmp_path / "cache")
    for index in range(4):
        expected = PhotographDataset(items, transforms)[index]
        assert same(cached[index], expected)
        assert same(cached[index], expected)
        assert cached[index]["masks"].dtype == torch.uint8


def test_photographs_without_mask_tasks_have_no_masks(items: list[dict[str, Any]], tmp_path: Path) -> None:
    graded = [item | {"mask_paths": [], "labelled": [True]} for item in items]
    transforms = [LoadPhotographd(image_size=(64, 96)), RandLesionCropd(spatial_size=(32, 32)), RandPhotometricd()]
    batch = next(iter(DataLoader(PhotographDataset(graded, transforms, tmp_path / "cache"), batch_size=4)))
    assert "masks" not in batch
    assert batch["labelled"].shape == (4, 1)
