from __future__ import annotations

import pickle
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from shared.data.geometry import Geometry
from shared.errors import DataError
from shared.transforms.load import LoadMasksd, LoadPhotographd
from shared.transforms.restore import RestorePhotographd
from tests.support.fundus import draw_fundus


def write(folder: Path, height: int, width: int) -> dict[str, object]:
    lesion = np.zeros((height, width), bool)
    lesion[height // 4 : height // 2, width // 3 : width // 2] = True
    reduction = 4 if height < 400 else 1
    drawing = Image.fromarray(draw_fundus(height * reduction, width * reduction)).reduce(reduction)
    drawing.save(folder / "eye.jpg", quality=95, subsampling=0)
    Image.fromarray(lesion).save(folder / "eye_MA.tif")
    return {"image": str(folder / "eye.jpg"), "mask_paths": [str(folder / "eye_MA.tif"), ""]}


def test_one_eye_looks_the_same_at_every_resolution(tmp_path: Path) -> None:
    load = pickle.loads(pickle.dumps(LoadPhotographd(image_size=(120, 150), fov_diameter=140)))
    samples = []
    for number, size in enumerate([(178, 268), (356, 536), (1424, 2144)]):
        (tmp_path / str(number)).mkdir()
        samples.append(load(write(tmp_path / str(number), *size)))
    for sample in samples:
        difference = (sample["image"].float() - samples[-1]["image"].float()).abs()
        assert difference.mean() < 2
        assert (sample["masks"] != samples[-1]["masks"]).float().mean() < 0.01
        geometry = Geometry.from_tensor(sample["geometry"])
        assert geometry.diameter * geometry.scale == pytest.approx(140)


def test_photograph_alone_is_enough(tmp_path: Path) -> None:
    path = write(tmp_path, 178, 268)["image"]
    sample = LoadPhotographd(fov_diameter=100)({"image": path})
    assert sample["name"] == "eye"
    assert sample["path"] == path
    assert set(sample) == {"image", "geometry", "name", "path"}
    assert all(length % 32 == 0 for length in sample["image"].shape[1:])


def test_rows_are_rows(tmp_path: Path) -> None:
    item = write(tmp_path, 178, 268)
    picture = draw_fundus(178, 268)
    picture[:89] //= 2
    Image.fromarray(picture).save(tmp_path / "eye.jpg", quality=95)
    image = LoadPhotographd(image_size=(89, 134), crop="none")(item)["image"]
    assert image.shape == (3, 89, 134)
    assert image[0, 20:40].float().mean() < 0.7 * image[0, 50:70].float().mean()


def test_masks_at_full_size_and_back_from_the_canvas(tmp_path: Path) -> None:
    item = write(tmp_path, 356, 536)
    sample = LoadMasksd()(LoadPhotographd(image_size=(160, 200), fov_diameter=190)(item))
    truth = np.asarray(Image.open(item["mask_paths"][0]))
    assert sample["photograph_masks"].shape == (2, 356, 536)
    assert sample["photograph_masks"].dtype == torch.uint8
    assert (sample["photograph_masks"][0].numpy() == truth).all()
    assert torch.equal(LoadMasksd()(item)["photograph_masks"], sample["photograph_masks"])
    restored = RestorePhotographd("pred")(sample | {"pred": sample["masks"].float()})["pred"]
    assert restored.shape == (2, 356, 536)
    assert ((restored[0] >= 0.5).numpy() != truth).mean() < 0.005
    assert restored[1].sum() == 0


def test_mask_of_another_size_is_refused(tmp_path: Path) -> None:
    item = write(tmp_path, 178, 268)
    Image.fromarray(np.zeros((89, 134), bool)).save(tmp_path / "eye_MA.tif")
    for load in (LoadPhotographd(image_size=(64, 96)), LoadMasksd()):
        with pytest.raises(DataError, match=r"eye_MA\.tif is 134x89, photograph .*eye\.jpg is 268x178"):
            load(item)


def test_what_is_no_fundus_photograph_is_refused_by_name(tmp_path: Path) -> None:
    Image.new("RGB", (300, 200), "white").save(tmp_path / "page.png")
    with pytest.raises(DataError, match=r"page\.png is no fundus photograph"):
        LoadPhotographd()({"image": str(tmp_path / "page.png")})
