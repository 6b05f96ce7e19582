"""Volumes found in every layout, and what is wrong with their files."""

from __future__ import annotations

import json
import logging
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from shared.data import VolumeFile, slice_items
from shared.errors import DataError
from shared.transforms import LoadBScand
from tests.support.volumes import draw_labels, draw_volume, write_mhd, write_retouch

pytestmark = pytest.mark.usefixtures("retouch_scripts")

PATIENTS = {"Cirrus": ["TRAIN001", "TRAIN002"], "Spectralis": ["TRAIN025"], "Topcon": ["TRAIN049"]}


def read(root: Path) -> list[dict[str, Any]]:
    from scripts.volumes import read_volumes

    return read_volumes(root)


def infer(path: Path) -> list[dict[str, Any]]:
    return volumes_and_refused(path).items


def volumes_and_refused(path: Path) -> Any:
    from scripts.source import volumes

    return volumes(str(path), workspace="", phantoms={})


def save_bscans(folder: Path, voxels: np.ndarray, pattern: str) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for number, bscan in enumerate(voxels):
        Image.fromarray(bscan).save(folder / pattern.format(number))


def test_official_layout(tmp_path: Path) -> None:
    items = read(write_retouch(tmp_path, PATIENTS, unlabelled=["TRAIN002"]))
    assert [item["name"] for item in items] == [
        "Cirrus/TRAIN001",
        "Cirrus/TRAIN002",
        "Spectralis/TRAIN025",
        "Topcon/TRAIN049",
    ]
    folder = tmp_path / "RETOUCH-TrainingSet-Cirrus" / "TRAIN001"
    assert items[0] == {
        "name": "Cirrus/TRAIN001",
        "vendor": "Cirrus",
        "patient": "TRAIN001",
        "group": "TRAIN001",
        "image": str(folder / "oct.mhd"),
        "label": str(folder / "reference.mhd"),
        "num_slices": 4,
        "size": [24, 32],
        "spacing": [0.25, 0.004, 0.012],
        "physical": True,
    }
    assert [bool(item["label"]) for item in items] == [True, False, True, True]
    assert read(tmp_path / "RETOUCH-TrainingSet-Cirrus") == items[:2]
    nested = tmp_path / "nested"
    write_retouch(nested / "TrainingCirrus", {"Cirrus": ["TRAIN001"]})
    assert [item["name"] for item in read(nested)] == ["Cirrus/TRAIN001"]


def test_unlabelled_sets_inside_are_left_alone(tmp_path: Path) -> None:
    write_retouch(tmp_path, {"Cirrus": ["TRAIN001"]})
    write_retouch(tmp_path / "unlabelled", {"Cirrus": ["TRAIN001U"]}, unlabelled=["TRAIN001U"])
    assert [item["name"] for item in read(tmp_path)] == ["Cirrus/TRAIN001"]
    (other,) = read(tmp_path / "unlabelled")
    assert (other["name"], other["patient"]) == ("Cirrus/TRAIN001U", "TRAIN001")


@pytest.mark.parametrize(
    ("images", "masks", "number"),
    [
        ("Spectrailis/train/TRAIN025/orig", "Spectrailis/train/TRAIN025/mask", "{}.png"),
        ("Spectralis/TRAIN025/images", "Spectralis/TRAIN025/labels", "bscan_{:03d}.png"),
        ("RETOUCH-TrainingSet-Spectralis/imgs", "RETOUCH-TrainingSet-Spectralis/fluids", "TRAIN025_{}.png"),
        ("all/images", "all/masks", "Spectralis_TRAIN025_{:03d}.png"),
        ("all/images", "all/masks", "spectralis-TRAIN025-slice-{:03d}.png"),
    ],
)
def test_repackaged_pictures(tmp_path: Path, images: str, masks: str, number: str) -> None:
    scan, label = draw_volume(12, 24, 32), draw_labels(12, 24, 32)
    save_bscans(tmp_path / images, scan, number)
    save_bscans(tmp_path / masks, label, number)
    # Another volume of the same vendor, without masks.
    save_bscans(tmp_path / images.replace("025", "026"), scan[:3], number.replace("025", "026"))
    labelled, bare = read(tmp_path)
    assert (labelled["name"], labelled["vendor"], labelled["patient"]) == (
        "Spectralis/TRAIN025",
        "Spectralis",
        "TRAIN025",
    )
    assert (labelled["num_slices"], labelled["size"], labelled["physical"]) == (12, [24, 32], False)
    assert (bare["name"], bare["label"], bare["num_slices"]) == ("Spectralis/TRAIN026", "", 3)
    sample = LoadBScand([24, 32])(slice_items([labelled])[10])
    assert np.allclose(sample["image"][0], scan[10] / 255, atol=1e-6)
    assert np.array_equal(sample["label"][0], label[10])


def test_pictures_side_by_side_and_edges_left_out(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    place = tmp_path / "RETOUCH-TrainingSet-Topcon" / "TRAIN049"
    save_bscans(place, draw_volume(3), "bscan_{:03d}_oct.png")
    save_bscans(place, draw_labels(3), "bscan_{:03d}_reference.png")
    save_bscans(tmp_path / "Topcon" / "TRAIN049" / "edges", draw_volume(3), "{}.png")
    with caplog.at_level(logging.INFO):
        (item,) = read(tmp_path)
    assert item["name"] == "Topcon/TRAIN049"
    assert item["image"].endswith("bscan_*_oct.png")
    assert np.array_equal(VolumeFile(item["label"], label=True).read(), draw_labels(3))
    assert "3 pictures of edges are not read" in caplog.text


def test_pictures_that_lack_some_numbers_are_said(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    for kind, voxels in (("orig", draw_volume(6)), ("mask", draw_labels(6))):
        save_bscans(tmp_path / "Cirrus" / "TRAIN001" / kind, voxels, "{}.png")
        (tmp_path / "Cirrus" / "TRAIN001" / kind / "2.png").unlink()
    (item,) = read(tmp_path)
    assert item["num_slices"] == 5
    assert "Cirrus/TRAIN001 lacks 1 B-scans (2 ...)" in caplog.text
    # A folder to infer must be whole: its B-scans lie beside each other in the result.
    with pytest.raises(DataError, match="with gaps: 2"):
        infer(tmp_path / "Cirrus" / "TRAIN001" / "orig")


def test_pictures_of_no_known_volume_are_refused(tmp_path: Path) -> None:
    save_bscans(tmp_path / "images", draw_volume(4), "cirrus_{:05d}.png")
    with pytest.raises(DataError, match=r"4 of 4 pictures .* do not say of which volume they are, such as images/cirr"):
        read(tmp_path)


def test_pictures_without_their_masks_are_refused(tmp_path: Path) -> None:
    save_bscans(tmp_path / "Cirrus" / "TRAIN001" / "orig", draw_volume(4), "{}.png")
    save_bscans(tmp_path / "Cirrus" / "TRAIN001" / "mask", draw_labels(3), "{}.png")
    with pytest.raises(DataError, match="has 4 images and 3 masks; without the other is 3"):
        read(tmp_path)
    save_bscans(tmp_path / "Cirrus" / "TRAIN001" / "mask", draw_labels(4), "{}.png")
    save_bscans(tmp_path / "Cirrus" / "test" / "TRAIN001" / "orig", draw_volume(2), "{}.png")
    with pytest.raises(DataError, match="lies in several places"):
        read(tmp_path)


def test_nifti(tmp_path: Path) -> None:
    import itk

    scan, label = draw_volume(3, 24, 32, top=65535), draw_labels(3, 24, 32)
    for place in ("imagesTr", "labelsTr"):
        (tmp_path / place).mkdir()
    for path, voxels in {
        "imagesTr/Spectralis_TRAIN025_0000.nii.gz": scan,
        "labelsTr/Spectralis_TRAIN025.nii.gz": label,
        "imagesTr/case7.nii.gz": scan,
    }.items():
        image = itk.image_from_array(voxels)
        image.SetSpacing([0.0117, 0.0039, 0.125])
        itk.imwrite(image, str(tmp_path / path))
    named, bare = read(tmp_path)
    assert (named["name"], named["patient"], named["size"]) == ("Spectralis/TRAIN025", "TRAIN025", [24, 32])
    assert np.allclose(named["spacing"], [0.125, 0.0039, 0.0117])
    assert named["physical"]
    assert (bare["name"], bare["vendor"], bare["label"]) == ("unknown/case7", "unknown", "")
    sample = LoadBScand([24, 32])(slice_items([named])[2])
    assert np.allclose(sample["image"][0], scan[2] / 65535, atol=1e-3)
    assert np.array_equal(sample["label"][0], label[2])
    (tmp_path / "imagesTr" / "Spectralis_TRAIN025_0000.nii.gz").unlink()
    with pytest.raises(DataError, match="has no image Spectralis_TRAIN025_0000"):
        read(tmp_path)


def test_official_layout_in_disorder(tmp_path: Path) -> None:
    root = write_retouch(tmp_path / "a", PATIENTS)
    place = root / "RETOUCH-TrainingSet-Cirrus" / "TRAIN001"
    (place / "oct.mhd").rename(place / "scan.mhd")
    with pytest.raises(DataError, match=r"holds reference\.mhd"):
        read(root)
    (place / "scan.mhd").rename(place / "oct.mhd")
    write_mhd(place / "oct.mha", draw_volume())
    with pytest.raises(DataError, match=r"holds oct\.mha, oct\.mhd"):
        read(root)
    (place / "oct.mha").unlink()
    write_mhd(place / "reference.mhd", draw_labels(3))
    with pytest.raises(DataError, match=re.escape("is 32x24x3 voxels, its scan")):
        read(root)
    write_mhd(place / "reference.mhd", draw_labels(4), DimSize="32 24 40", compress=False)
    with pytest.raises(DataError, match="promises 32x24x40"):
        read(root)


def test_no_volumes_at_all(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="holds no OCT volumes"):
        read(tmp_path)
    with pytest.raises(DataError, match="is no folder"):
        read(tmp_path / "none")


@pytest.mark.parametrize(
    ("index", "physical"),
    [
        ('{"DUKE004": {"bscan_index0": [6, 11, 16, 21, 24]}}', False),
        ('{"DUKE004": {"bscan_index0": [6, 11, 16, 21, 26]}}', True),
        ('{"DUKE005": {"bscan_index0": [6, 11, 16, 21, 24]}}', True),
        ("no JSON", True),
    ],
)
def test_uneven_scans_have_no_millimetres(tmp_path: Path, index: str, physical: bool) -> None:
    root = write_retouch(tmp_path, {"Spectralis": ["DUKE004"]})
    (root / "index.json").write_text(index)
    assert read(root)[0]["physical"] is physical
    assert infer(root / "RETOUCH-TrainingSet-Spectralis" / "DUKE004" / "oct.mhd")[0]["physical"] is physical


def test_volumes_to_infer(tmp_path: Path) -> None:
    root = write_retouch(tmp_path / "set", PATIENTS)
    assert [item["name"] for item in infer(root)] == [item["name"] for item in read(root)]
    assert {item["label"] for item in infer(root)} == {""}
    (one,) = infer(root / "RETOUCH-TrainingSet-Cirrus" / "TRAIN001" / "oct.mhd")
    assert (one["name"], one["vendor"], one["patient"]) == ("TRAIN001", "Cirrus", "TRAIN001")
    folder = tmp_path / "clinic"
    write_mhd(folder / "left.mha", draw_volume(1))
    write_mhd(folder / "reference.mha", draw_labels(1))
    save_bscans(folder / "right eye", draw_volume(3), "{}.png")
    left, right = infer(folder)
    assert (left["name"], left["num_slices"]) == ("left", 1)
    assert (right["name"], right["num_slices"], right["physical"]) == ("right eye", 3, False)
    assert infer(folder / "right eye")[0]["name"] == "right eye"
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match="holds no volume"):
        infer(tmp_path / "empty")
    with pytest.raises(DataError, match="does not exist"):
        infer(tmp_path / "none.mhd")
    write_mhd(folder / "left.mha", draw_volume(1), DimSize="32 24 9")
    assert [item["name"] for item in infer(folder)] == ["right eye"]
    ((path, reason),) = volumes_and_refused(folder).refused
    assert path == str(folder / "left.mha")
    assert "promises" in reason
    with pytest.raises(DataError, match="promises"):
        infer(folder / "left.mha")
    write_mhd(tmp_path / "damaged" / "a.mha", draw_volume(1), DimSize="32 24 9")
    write_mhd(tmp_path / "damaged" / "b.mha", draw_volume(1), DimSize="32 24 9")
    with pytest.raises(DataError, match="none of 2 volumes can be read"):
        infer(tmp_path / "damaged")


def test_phantoms_are_read_as_they_were_drawn(tmp_path: Path) -> None:
    from scripts.phantoms import ensure_phantoms
    from scripts.source import volumes

    phantoms = {"volumes": (1, 1, 1), "unlabelled": (1, 0, 0), "scale": 0.1, "slice_scale": 0.05}
    folder = ensure_phantoms(tmp_path / "data" / "phantoms", **phantoms)
    facts = {fact["name"]: fact for fact in json.loads((folder / "phantoms.json").read_text())["volumes"]}
    items = read(folder)
    assert {item["name"] for item in items} == facts.keys()
    for item in items:
        fact = facts[item["name"]]
        assert [item["num_slices"], *item["size"]] == fact["shape"]
        assert item["spacing"] == fact["spacing"]
        assert item["physical"]
        assert bool(item["label"]) is fact["labelled"]
        if item["label"]:
            label = VolumeFile(item["label"], label=True).read()
            assert [int((label == number).sum()) for number in (1, 2, 3)] == list(fact["fluid_voxels"].values())
    assert len(volumes("phantoms", workspace=str(tmp_path), phantoms=phantoms).items) == 4
