"""What is evaluated: the part, other data sets, and photographs that were trained on."""

import shutil

import pytest

from shared.data.splits import SPLIT_FILE, save_split
from shared.errors import ConfigError, DataError
from tests.support.errors import fails_with

pytestmark = pytest.mark.usefixtures("fundus_scripts")


@pytest.fixture
def own(layouts):
    from scripts.datalist import make_datalist

    return make_datalist(layouts["rim_one_r3"], protocol="seeded", validation_fraction=0.25)


@pytest.fixture
def ckpt(own, tmp_path):
    """Weights' path beside the split they were trained with."""
    save_split(own, tmp_path / "models" / SPLIT_FILE, about={"split_seed": 0})
    return str(tmp_path / "models" / "model.pt")


def test_the_part_and_other_data_sets_by_name(own, ckpt, layouts):
    from scripts.data_sets import gather

    items = gather(
        own,
        split="test",
        ckpt_path=ckpt,
        dataset_dir=layouts["rim_one_r3"],
        data_sets={"REFUGE": str(layouts["refuge"])},
    )
    names = [item["name"] for item in own["test"]]
    assert [item["name"] for item in items if item["data_set"] == "rim_one_r3"] == names
    others = [item for item in items if item["data_set"] == "REFUGE"]
    assert others
    assert {item["source"] for item in others} == {"refuge"}
    assert not any(item["phantom"] for item in items)


def test_photographs_that_were_trained_on_are_refused_wherever_they_lie(own, ckpt, layouts, tmp_path):
    from scripts.data_sets import gather

    arguments = {"split": "test", "ckpt_path": ckpt, "dataset_dir": layouts["rim_one_r3"]}
    assert gather(own, **arguments)
    shutil.copytree(layouts["rim_one_r3"], tmp_path / "copy")
    with fails_with(DataError, "were trained on"):
        gather(own, **arguments, data_sets={"copy": str(tmp_path / "copy")})
    moved = {"training": own["test"], "validation": [], "test": own["training"]}
    with fails_with(DataError, "were trained on"):
        gather(moved, **arguments)


def test_eyes_of_a_source_that_is_cut_from_another_are_warned_of(own, ckpt, layouts, caplog):
    """Also where the weights' split alone tells what they were trained on; phantoms share no eye with anyone."""
    from pathlib import Path

    from scripts.data_sets import gather
    from scripts.datalist import make_datalist

    words = "rim_one_dl is cut out of photographs of rim_one_r3"
    arguments = {"split": "test", "ckpt_path": ckpt, "dataset_dir": layouts["rim_one_r3"]}
    gather(own, **arguments, data_sets={"REFUGE": str(layouts["refuge"])})
    assert words not in caplog.text
    gather(own, **arguments, data_sets={"cut": str(layouts["rim_one_dl"])})
    assert words in caplog.text
    caplog.clear()
    cut = make_datalist(layouts["rim_one_dl"])
    gather(cut, **arguments | {"dataset_dir": layouts["rim_one_dl"]})
    assert words in caplog.text
    caplog.clear()
    Path(ckpt).with_name("model.json").write_text('{"phantom": true}')
    gather(cut, **arguments | {"dataset_dir": layouts["rim_one_dl"]})
    assert words not in caplog.text


def test_a_name_is_given_once_and_folders_must_be_known(own, ckpt, layouts, tmp_path):
    from scripts.data_sets import gather, reader_masks

    arguments = {"split": "test", "ckpt_path": ckpt, "dataset_dir": layouts["rim_one_r3"]}
    with fails_with(ConfigError, "two data sets are called 'rim_one_r3'"):
        gather(own, **arguments, data_sets={"rim_one_r3": str(layouts["refuge"])})
    with fails_with(DataError, "no folder"):
        gather(own, **arguments, data_sets={"other": str(tmp_path / "absent")})
    with fails_with(ConfigError, "data_sets is '/data/REFUGE'"):
        gather(own, **arguments, data_sets="/data/REFUGE")
    with fails_with(ConfigError, "by the names that the report gives them"):
        reader_masks(layouts["rim_one_r3"], data_sets=["/data/REFUGE"])


def test_a_model_of_the_cup_needs_a_cup_somewhere(layouts):
    from scripts.data_sets import gather
    from scripts.datalist import make_datalist

    drions = make_datalist(layouts["drions"], protocol="seeded")
    arguments = {"split": "training", "ckpt_path": "model.pt", "dataset_dir": layouts["drions"]}
    assert gather(drions, **arguments)
    with fails_with(DataError, "has a mask of its cup"):
        gather(drions, **arguments, classes=["disc", "cup"])


def test_experts_are_found_and_averages_are_none(layouts):
    from scripts.data_sets import reader_masks

    masks = reader_masks(layouts["refuge"], data_sets={"r3": str(layouts["rim_one_r3"])})
    assert len(masks) == 12
    for image, experts in masks.items():
        assert image.startswith(str(layouts["rim_one_r3"]))
        assert list(experts) == ["expert1", "expert2"]
        assert set(experts["expert1"]) == {"disc", "cup"}
