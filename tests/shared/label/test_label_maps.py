"""Label maps: painted from masks, taken apart again, read as viewers save them, divided for training."""

import json
from pathlib import Path

import itk
import numpy as np
import pytest
from PIL import Image

from shared.errors import DataError
from shared.label.labelled import (
    Labelled,
    divide,
    read_label_map,
    read_labelled,
    split_label_map,
    write_labelled,
    write_masks,
)
from shared.label.names import label_colours, label_numbers
from shared.label.result import extension_of, paint, read_result, write_label
from tests.support.bundle import REPOSITORY
from tests.support.tiny import BUNDLES

NUMBERS = {"MA": 1, "OD": 2, "EX": 3}


def masks() -> dict[str, np.ndarray]:
    """A disc, a lesion on it and one beside it; 6 x 9 pixels."""
    found = {name: np.zeros((6, 9), bool) for name in NUMBERS}
    found["OD"][1:5, 1:5] = True
    found["EX"][2:4, 3:7] = True
    found["MA"][2, 3] = True
    return found


def test_smaller_masks_lie_on_larger_ones():
    label_HW = paint(masks(), NUMBERS)
    assert label_HW[2, 3] == 1
    assert label_HW[3, 3] == 3
    assert label_HW[1, 1] == 2
    assert label_HW[5, 8] == 0
    assert np.array_equal(label_HW > 0, np.any(list(masks().values()), axis=0))
    assert paint({}, NUMBERS) is None


def test_a_label_map_is_taken_apart_into_masks():
    label_HW = paint(masks(), NUMBERS)
    apart = split_label_map(label_HW, NUMBERS)
    assert apart.keys() == NUMBERS.keys()
    assert np.array_equal(sum(apart[name] * number for name, number in NUMBERS.items()), label_HW)
    with pytest.raises(DataError, match="numbers 3"):
        split_label_map(label_HW, {"MA": 1, "OD": 2})


def write_results(root: Path) -> Path:
    (root / "json").mkdir(parents=True)
    (root / "masks").mkdir()
    files = {}
    for name, mask_HW in masks().items():
        files[f"mask_{name}"] = f"masks/a_{name}.png"
        Image.fromarray(mask_HW).save(root / files[f"mask_{name}"])
    (root / "json" / "a.json").write_text(json.dumps({"height": 6, "files": files | {"overlay": "a.jpg"}}))
    return root


@pytest.mark.parametrize("extension", [".png", ".tif", ".nii.gz", ".nrrd", ".mha"])
def test_results_become_a_file_of_any_kind_and_are_read_back(tmp_path, extension):
    result = read_result(write_results(tmp_path / "out"), NUMBERS)
    assert result.findings == {"height": 6}
    assert write_label(result, tmp_path / f"label{extension}", one_picture=True)
    if extension == ".nrrd":
        label_HW = np.asarray(itk.imread(str(tmp_path / "label.nrrd")))
    else:
        label_HW = read_label_map(tmp_path / f"label{extension}")
    assert np.array_equal(label_HW, paint(masks(), NUMBERS))


def test_results_of_none_or_several_images_are_refused(tmp_path):
    root = write_results(tmp_path)
    (root / "json" / "b.json").write_text("{}")
    with pytest.raises(DataError, match="of 2 images"):
        read_result(root, NUMBERS)
    with pytest.raises(DataError, match="of 0 images"):
        read_result(tmp_path / "empty", NUMBERS)


def test_a_volume_keeps_its_geometry_in_any_file(tmp_path):
    label = itk.image_from_array(np.arange(24, dtype=np.uint8).reshape(2, 3, 4) % 3)
    label.SetSpacing([0.01, 0.002, 0.2])
    label.SetOrigin([1, 2, 3])
    (tmp_path / "json").mkdir()
    itk.imwrite(label, str(tmp_path / "v.nii.gz"))
    (tmp_path / "json" / "v.json").write_text(json.dumps({"files": {"labels.nii.gz": "v.nii.gz", "labels": "x"}}))
    result = read_result(tmp_path, {"IRF": 1, "SRF": 2})
    for extension in (".nii.gz", ".mha"):
        assert write_label(result, tmp_path / f"out{extension}", one_picture=False)
        back = itk.imread(str(tmp_path / f"out{extension}"))
        assert np.array_equal(np.asarray(back), np.asarray(label))
        assert np.allclose(back.GetSpacing(), label.GetSpacing(), rtol=1e-4)
        assert np.allclose(back.GetOrigin(), label.GetOrigin(), rtol=1e-4)
    one = itk.image_from_array(np.ones((1, 3, 4), np.uint8))
    itk.imwrite(one, str(tmp_path / "v.nii.gz"))
    assert write_label(result, tmp_path / "one.png", one_picture=True)
    assert np.asarray(Image.open(tmp_path / "one.png")).shape == (3, 4)


def test_files_that_are_no_label_map_are_refused(tmp_path):
    Image.new("RGB", (4, 3)).save(tmp_path / "colours.png")
    (tmp_path / "text.png").write_text("no picture")
    Image.fromarray(np.full((3, 4), 300, np.uint16)).save(tmp_path / "large.png")
    itk.imwrite(itk.image_from_array(np.zeros((2, 3, 4), np.uint8)), str(tmp_path / "two.nii.gz"))
    found = {"colours.png": "3 channels", "text.png": "cannot be read", "large.png": "to 300", "two.nii.gz": "2 slices"}
    for name, problem in found.items():
        with pytest.raises(DataError, match=problem):
            read_label_map(tmp_path / name)


def test_masks_are_written_where_there_is_something(tmp_path):
    Image.fromarray(np.array([[0, 1], [3, 3]], np.uint8)).save(tmp_path / "label.png")
    item = Labelled("a", tmp_path / "a.png", tmp_path / "label.png", {})
    written = write_masks(item, ["MA", "OD", "EX"], tmp_path / "masks")
    assert written.keys() == {"MA", "EX"}
    assert np.array_equal(np.asarray(Image.open(written["EX"])) > 0, [[False, False], [True, True]])


def items(number: int, *, unlabelled: int = 0) -> list[Labelled]:
    labels = [Path("label.png")] * number + [None] * unlabelled
    return [Labelled(f"P{place:02d}", Path("a.png"), label, {}) for place, label in enumerate(labels)]


@pytest.mark.parametrize("fraction", [0.0, 0.2, 0.5, 1.0])
@pytest.mark.parametrize("number", [2, 5, 9])
def test_neither_side_is_empty_and_none_is_lost(number, fraction):
    training, validation = divide(items(number, unlabelled=2), fraction=fraction, seed=0)
    assert training
    assert validation
    assert sorted(item.name for item in training + validation) == [f"P{place:02d}" for place in range(number)]


def test_groups_stay_together_and_one_alone_cannot_be_divided():
    groups = [f"patient {place // 2}" for place in range(6)]
    training, validation = divide(items(6), fraction=0.4, seed=0, groups=groups)
    sides = [{groups[int(item.name[1:])] for item in side} for side in (training, validation)]
    assert not sides[0] & sides[1]
    with pytest.raises(DataError, match="3 images of 1 patients"):
        divide(items(3), fraction=0.4, seed=0, groups=["one"] * 3)
    with pytest.raises(DataError, match="1 images have a saved label"):
        divide(items(1, unlabelled=5), fraction=0.4, seed=0)


def test_the_list_is_read_as_written(tmp_path):
    rows = [Labelled("a#1", tmp_path / "a#1.png", tmp_path / "l.png", {"grades": {"RG": 2}}), *items(0, unlabelled=1)]
    write_labelled(tmp_path / "list.json", rows)
    assert read_labelled(tmp_path / "list.json") == rows


@pytest.mark.parametrize("bundle", BUNDLES)
def test_every_bundle_names_its_labels(bundle):
    numbers = label_numbers(REPOSITORY / "bundles" / bundle)
    assert list(numbers.values()) == list(range(1, len(numbers) + 1))
    colours = label_colours(numbers)
    assert len({tuple(colour) for colour in colours.values()}) == len(numbers)


def test_extensions():
    expected = {"a.JPG": ".png", "a.tif": ".png", "a.nii.gz": ".nii.gz", "a.mha": ".mha", "a.mhd": ".nii.gz"}
    assert {name: extension_of(name) for name in expected} == expected
