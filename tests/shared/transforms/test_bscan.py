from __future__ import annotations

import pickle
import re
import tracemalloc
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from skimage.transform import resize
from torch.utils.data import DataLoader

from shared.data import PhotographDataset, VolumeBatchSampler, slice_items
from shared.data.sampling import Draw
from shared.data.volume_cache import resize_image, resize_labels
from shared.errors import ConfigError, DataError
from shared.transforms import LoadBScand
from tests.support.volumes import draw_labels, draw_volume, write_mhd

SIZE = (32, 64)


def volume(folder: Path, name: str = "a", *, num_slices: int = 4, top: int = 255, **options: Any) -> dict[str, Any]:
    image = write_mhd(folder / name / "oct.mhd", draw_volume(num_slices, 45, 90, seed=ord(name[0]), top=top), **options)
    label = write_mhd(folder / name / "reference.mhd", draw_labels(num_slices, 45, 90), compress=True)
    paths = {"image": str(image), "label": str(label)}
    return {"name": name, "vendor": "Cirrus", "patient": name, "num_slices": num_slices, "size": [45, 90], **paths}


def test_items_of_slices(tmp_path: Path) -> None:
    volumes = [volume(tmp_path, "a"), volume(tmp_path, "b", num_slices=1)]
    items = slice_items(volumes)
    assert [item["name"] for item in items] == ["a/000", "a/001", "a/002", "a/003", "b/000"]
    assert items[2] == {
        "name": "a/002",
        "volume": "a",
        "slice": 2,
        "labelled": True,
        "label": volumes[0]["label"],
        "image": volumes[0]["image"],
        "vendor": "Cirrus",
        "patient": "a",
        "num_slices": 4,
    }
    assert [(item["label"], item["labelled"]) for item in slice_items(volumes, labelled=False)] == [("", False)] * 5
    assert not slice_items([volumes[0] | {"label": ""}])[0]["labelled"]


def test_sample_of_the_contract(tmp_path: Path) -> None:
    item = slice_items([volume(tmp_path)])[2]
    sample = LoadBScand(SIZE, native=True)(item)
    assert sample["image"].shape == (1, *SIZE)
    assert sample["image"].dtype == torch.float32
    assert 0 <= sample["image"].min() < 0.3 < 0.7 < sample["image"].max() <= 1
    assert sample["label"].shape == (1, *SIZE)
    assert sample["label"].dtype == torch.uint8
    assert sorted(sample["label"].unique().tolist()) == [0, 1, 2, 3]
    assert sample["labelled"].dtype == torch.bool
    assert sample["native_size"].tolist() == [45, 90]
    assert np.array_equal(sample["native_label"][0], draw_labels(4, 45, 90)[2])
    assert (sample["name"], sample["volume"], sample["slice"]) == ("a/002", "a", 2)
    assert sample["path"] == item["image"]


def test_vendors_share_one_scale(tmp_path: Path) -> None:
    """The same scan as uint8 and as uint16 gives the same image."""
    grey = draw_volume(3, 45, 90)
    write_mhd(tmp_path / "8.mhd", grey)
    write_mhd(tmp_path / "16.mhd", grey.astype(np.uint16) * 257)
    load = LoadBScand(SIZE)
    images = [load({"image": str(tmp_path / f"{bits}.mhd"), "slice": 1})["image"] for bits in (8, 16)]
    assert torch.allclose(*images, atol=0.5 / 255 + 1e-3)


def test_images_are_resized_as_scikit_image_does_it() -> None:
    image_HW = draw_volume(1, 60, 90)[0].astype(np.float32)
    grown = resize_image(image_HW, (120, 135))
    assert np.allclose(grown, resize(image_HW, (120, 135), order=1, mode="edge"), atol=1e-2)
    halved = resize_image(image_HW, (30, 45))
    # Antialiasing: every second pixel alone would keep the noise.
    assert np.abs(halved - image_HW.reshape(30, 2, 45, 2).mean(axis=(1, 3))).mean() < 5
    assert halved[:5].std() < 0.8 * image_HW[::2, ::2][:5].std()


@pytest.mark.parametrize("size", [(32, 64), (45, 90), (50, 33), (200, 300), (7, 5)])
def test_no_class_appears_that_was_not_there(size: tuple[int, int]) -> None:
    random = np.random.default_rng(0)
    for _ in range(20):
        classes = random.choice(4, size=2, replace=False)
        label_HW = np.where(random.random((45, 90)) < 0.5, *classes).astype(np.uint8)
        assert set(np.unique(resize_labels(label_HW, size))) <= set(classes.tolist())
    exact = torch.nn.functional.interpolate(torch.from_numpy(label_HW)[None, None], size=size, mode="nearest-exact")
    assert np.array_equal(resize_labels(label_HW, size), exact[0, 0])


def test_interpolating_labels_would_invent_classes() -> None:
    """The published system's defect, and why PED's border became IRF and SRF there."""
    label_HW = np.zeros((45, 90), np.uint8)
    label_HW[10:30, 20:60] = 3
    interpolated = np.rint(resize_image(label_HW.astype(np.float32), SIZE)).astype(np.uint8)
    assert set(np.unique(interpolated)) == {0, 1, 2, 3}
    assert set(np.unique(resize_labels(label_HW, SIZE))) == {0, 3}


def test_image_and_label_lie_on_one_grid() -> None:
    label_HW = np.zeros((90, 120), np.uint8)
    label_HW[30:60, 24:96] = 1
    for size in (SIZE, (180, 240), (64, 64)):
        image = resize_image(label_HW.astype(np.float32), size)
        label = resize_labels(label_HW, size)
        assert np.array_equal(image[np.abs(image - 0.5) > 0.49] > 0.5, label[np.abs(image - 0.5) > 0.49] > 0)
        centres = [np.array(np.nonzero(map_HW > 0.5)).mean(axis=1) for map_HW in (image, label)]
        assert np.abs(centres[0] - centres[1]).max() < 0.51


def test_neighbours_become_channels_and_ends_are_repeated(tmp_path: Path) -> None:
    items = slice_items([volume(tmp_path)])
    single = [LoadBScand(SIZE)(item)["image"][0] for item in items]
    for stream in (False, True):
        load = LoadBScand(SIZE, neighbours=2, stream=stream)
        for place, item in enumerate(items):
            image_CHW = load(item)["image"]
            expected = [single[min(max(place + shift, 0), 3)] for shift in (-2, -1, 0, 1, 2)]
            assert torch.allclose(image_CHW, torch.stack(expected), atol=0.5 / 255 + 1e-6)
    alone = slice_items([volume(tmp_path, "one", num_slices=1)])[0]
    assert LoadBScand(SIZE, neighbours=1)(alone)["image"].shape == (3, *SIZE)


@pytest.mark.parametrize("top", [255, 65535])
def test_cached_in_memory_and_streamed_are_one(tmp_path: Path, top: int) -> None:
    items = slice_items([volume(tmp_path, top=top)])
    plain = LoadBScand(SIZE)
    cached, streamed = LoadBScand(SIZE, cache_dir=tmp_path / "cache"), LoadBScand(SIZE, stream=True)
    again = LoadBScand(SIZE, cache_dir=tmp_path / "cache")
    for item in items:
        image = plain(item)["image"]
        assert torch.equal(cached(item)["image"], image)
        assert torch.equal(again(item)["image"], image)
        assert torch.allclose(streamed(item)["image"], image, atol=1e-3 if top > 255 else 0.5 / 255 + 1e-6)
        assert torch.equal(again(item)["label"], streamed(item)["label"])
    files = sorted(file.name.split(".", 1)[1] for file in (tmp_path / "cache").iterdir())
    assert files == ["image.npy", "label.npy"]


def test_cache_notices_changes_and_damage(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    item = slice_items([volume(tmp_path)])[1]
    cache = tmp_path / "cache"
    before = LoadBScand(SIZE, cache_dir=cache)(item)["image"]
    file = next(cache.glob("*.image.npy"))
    content = bytearray(file.read_bytes())
    content[-3000] ^= 255
    for damage in (bytes(content), bytes(content[:500]), b""):
        file.write_bytes(damage)
        caplog.clear()
        assert torch.equal(LoadBScand(SIZE, cache_dir=cache)(item)["image"], before)
        assert "is damaged" in caplog.text
    write_mhd(Path(item["image"]), 255 - draw_volume(4, 45, 90))
    after = LoadBScand(SIZE, cache_dir=cache)(item)["image"]
    assert not torch.equal(after, before)
    assert LoadBScand((16, 16), cache_dir=cache)(item)["image"].shape == (1, 16, 16)


def test_a_folder_that_cannot_be_written_costs_only_the_cache(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "file").write_text("")
    item = slice_items([volume(tmp_path)])[1]
    sample = LoadBScand(SIZE, cache_dir=tmp_path / "file" / "cache")(item)
    assert torch.equal(sample["image"], LoadBScand(SIZE)(item)["image"])
    assert "nothing can be cached" in caplog.text


def test_labels_that_are_not_to_be_read_are_not(tmp_path: Path) -> None:
    scan = volume(tmp_path)
    Path(scan["label"]).write_text("unreadable")
    sample = LoadBScand(SIZE, native=True)(slice_items([scan], labelled=False)[1])
    assert not sample["labelled"]
    assert not sample["label"].any()
    assert sample["native_label"].shape == (1, 45, 90)
    with pytest.raises(DataError):
        LoadBScand(SIZE)(slice_items([scan])[1])


def test_references_that_do_not_fit(tmp_path: Path) -> None:
    scan = volume(tmp_path)
    item = slice_items([scan])[2]
    with pytest.raises(DataError, match=re.escape("has the labels 2, 3 in B-scan 1")):
        LoadBScand(SIZE, num_classes=2)(item)
    with pytest.raises(DataError, match="whole numbers from 0"):
        LoadBScand(SIZE, num_classes=3, native=True, stream=True)(item)
    write_mhd(Path(scan["label"]), draw_labels(3, 45, 90))
    with pytest.raises(DataError, match=re.escape("is 90x45x3 voxels, its scan")):
        LoadBScand(SIZE)(item)


def test_loaders_with_workers_and_batches_of_one_volume(tmp_path: Path) -> None:
    items = slice_items([volume(tmp_path, "a"), volume(tmp_path, "b", num_slices=3)])
    sampler = VolumeBatchSampler(items, batch_size=3)
    assert list(sampler) == [[0, 1, 2], [3], [4, 5, 6]]
    assert len(sampler) == 3
    data = PhotographDataset(items, [LoadBScand(SIZE, native=True, cache_dir=tmp_path / "cache")])
    batches = [list(DataLoader(data, batch_sampler=sampler, num_workers=workers)) for workers in (0, 2)]
    for first, second in zip(*batches, strict=True):
        assert first["name"] == second["name"]
        assert torch.equal(first["image"], second["image"])
        assert len(set(first["volume"])) == 1
    first = batches[0][0]
    assert first["image"].shape == (3, 1, *SIZE)
    assert first["native_label"].shape == (3, 1, 45, 90)
    assert first["native_size"].tolist() == [[45, 90]] * 3
    assert first["labelled"].tolist() == [True] * 3
    assert torch.equal(data[Draw(4, 0)]["image"], batches[0][2]["image"][0])
    with pytest.raises(ConfigError):
        VolumeBatchSampler(items, batch_size=0)


def test_streaming_holds_one_bscan(tmp_path: Path) -> None:
    peaks = []
    for count in (8, 128):
        scan = volume(tmp_path, "abcdefg"[len(peaks)], num_slices=count, compress=True)
        load = LoadBScand(SIZE, stream=True, num_classes=4, neighbours=1)
        load(slice_items([scan], labelled=False)[0])
        tracemalloc.start()
        for item in slice_items([scan], labelled=False):
            load(item)
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert peaks[1] < peaks[0] + 200_000, peaks


def test_it_travels_to_workers(tmp_path: Path) -> None:
    item = slice_items([volume(tmp_path, compress=True)])[1]
    for load in (LoadBScand(SIZE, native=True), LoadBScand(SIZE, stream=True)):
        sample = load(item)
        assert torch.equal(pickle.loads(pickle.dumps(load))(item)["image"], sample["image"])


@pytest.mark.parametrize("arguments", [{"neighbours": -1}, {"image_size": [0, 5]}, {"image_size": [5]}])
def test_impossible_arguments_are_refused(arguments: dict[str, Any]) -> None:
    with pytest.raises(ConfigError):
        LoadBScand(**{"image_size": SIZE} | arguments)
