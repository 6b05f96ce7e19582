"""Every source's layout: recognised, paired, read as its values are meant; and what is wrong with files."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from shared.errors import ConfigError, DataError
from tests.support.discs import HEIGHT, WIDTH, black_and_white, ellipse, make_rim_one_r3, photograph, save

pytestmark = pytest.mark.usefixtures("fundus_scripts")

NAMES = {
    "rim_one_r3": [f"{'NG'[number % 2 == 0]}-{number}-{side}" for number in (2, 4, 6, 1, 3, 5) for side in "LR"],
    "rim_one_dl": ["r1_Im001", "r2_Im300", "r3_G-7-L", "r3_G-7-R"],
    "drishti": ["drishtiGS_001", "drishtiGS_002", "drishtiGS_004"],
    "refuge": ["T0001", "V0001", "g0001", "n0001"],
    "drions": ["image_001", "image_002", "image_003"],
    "idrid_disc": ["IDRiD_01", "IDRiD_02", "IDRiD_55"],
}


def label(item: dict[str, Any], kind: str = "disc") -> np.ndarray:
    from scripts.masks import read_label, view_size

    size = view_size(item["image"], stereo=item["stereo"])
    return read_label(item[kind], kind=kind, rule=item["rule"], size=size, stereo=item["stereo"])


def datalist(root: Path, **settings: Any) -> dict[str, list[dict[str, Any]]]:
    from scripts.datalist import make_datalist

    return make_datalist(root, **settings)


def every(lists: dict[str, list[dict[str, Any]]]) -> list[dict[str, Any]]:
    return [item for items in lists.values() for item in items]


@pytest.mark.parametrize("source", NAMES)
def test_a_layout_is_recognised_and_paired(layouts: dict[str, Path], source: str) -> None:
    from scripts.sources import choose_source, read_source

    assert choose_source(layouts[source]) == source
    found = read_source(layouts[source])
    assert found.problems == []
    assert [entry.name for entry in found.entries] == sorted(NAMES[source])


@pytest.mark.parametrize("source", NAMES)
def test_masks_are_what_the_sources_values_mean(layouts: dict[str, Path], source: str) -> None:
    cups = {"rim_one_r3": 6, "rim_one_dl": 5, "drishti": 6, "refuge": 5}
    for item in every(datalist(layouts[source])):
        np.testing.assert_array_equal(label(item), ellipse(12))
        assert bool(item["cup"]) == (source in cups)
        if item["cup"]:
            np.testing.assert_array_equal(label(item, "cup"), ellipse(cups[source]))


@pytest.mark.parametrize(("reader", "radius"), [("expert1", 11), ("expert2", 13), ("average", 12), ("", 12)])
def test_readers_of_rim_one_r3(layouts: dict[str, Path], reader: str, radius: int) -> None:
    for item in every(datalist(layouts["rim_one_r3"], reader=reader)):
        np.testing.assert_array_equal(label(item), ellipse(radius))
        assert item["reader"] == (reader or "average")


def test_an_unknown_reader_and_one_who_left_some_out(layouts: dict[str, Path]) -> None:
    root = layouts["rim_one_r3"]
    with pytest.raises(ConfigError, match=r"expert3[\s\S]*average, expert1, expert2"):
        datalist(root, reader="expert3")
    next(root.rglob("N-1-L-Disc-exp1.png")).unlink()
    with pytest.raises(DataError, match=r"1 photographs have no disc mask of expert1: N-1-L"):
        datalist(root, reader="expert1")


def test_the_left_view_is_read_and_masks_of_one_view_fit_too(tmp_path: Path) -> None:
    from scripts.masks import read_label, read_view

    path = photograph(tmp_path / "N-1-L.png", width=2 * WIDTH, tone=99)
    view = read_view(path, stereo=True)
    assert view.pixels_HW3.shape == (HEIGHT, WIDTH, 3)
    assert view.full_size == (HEIGHT, WIDTH)
    assert (view.pixels_HW3 == 99).all()
    assert read_view(path, stereo=False).pixels_HW3.shape[1] == 2 * WIDTH
    mask = save(black_and_white(ellipse(9)), tmp_path / "mask.png")
    read = read_label(mask, kind="disc", rule="binary", size=(HEIGHT, WIDTH), stereo=True)
    np.testing.assert_array_equal(read, ellipse(9))


@pytest.mark.parametrize(("source", "test", "validation"), [("drishti", 1, 0), ("refuge", 1, 1), ("idrid_disc", 1, 0)])
def test_published_sets_stay_what_they_are(layouts: dict[str, Path], source: str, test: int, validation: int) -> None:
    lists = datalist(layouts[source])
    assert [len(lists["test"]), len(lists["validation"])] == [test, validation]


def test_rim_one_r3_is_split_150_to_9(tmp_path: Path) -> None:
    """As many as published, in the published mixture of persons with one eye and with both."""
    make_rim_one_r3(tmp_path, persons=80)
    for path in tmp_path.rglob("N-1-R*"):
        path.unlink()
    lists = datalist(tmp_path)
    assert [len(lists[part]) for part in ("training", "validation", "test")] == [150, 0, 9]
    assert datalist(tmp_path) == lists


@pytest.mark.parametrize("source", ["rim_one_r3", "rim_one_dl"])
@pytest.mark.parametrize("seed", range(4))
def test_a_person_is_on_one_side(layouts: dict[str, Path], source: str, seed: int) -> None:
    lists = datalist(layouts[source], protocol="seeded", validation_fraction=0.3, split_seed=seed)
    persons = {part: {item["name"].rsplit("-", 1)[0] for item in items} for part, items in lists.items()}
    assert not persons["training"] & persons["validation"]
    assert not persons["training"] & persons["test"]
    assert not persons["validation"] & persons["test"]
    assert all(lists[part] for part in ("training", "test"))
    assert len(every(lists)) == len(NAMES[source])


def test_eyes_of_a_person_that_published_sets_divide_are_not_trained_on(
    layouts: dict[str, Path], caplog: pytest.LogCaptureFixture
) -> None:
    for path in layouts["rim_one_dl"].rglob("training_set/*/r3_G-7-R.png"):
        target = path.parents[2] / "test_set" / "glaucoma" / path.name
        target.parent.mkdir(exist_ok=True)
        path.rename(target)
    lists = datalist(layouts["rim_one_dl"])
    assert {part: [item["name"].removeprefix("rim_one_dl/") for item in items] for part, items in lists.items()} == {
        "training": ["r1_Im001"],
        "validation": [],
        "test": ["r2_Im300", "r3_G-7-R"],
    }
    assert "left out: rim_one_dl/r3_G-7-L" in caplog.text


def test_laterality_and_diagnosis_come_from_names(layouts: dict[str, Path]) -> None:
    items = {item["name"]: item for item in every(datalist(layouts["rim_one_r3"]))}
    assert items["rim_one_r3/N-1-L"]["laterality"] == "left"
    assert items["rim_one_r3/G-2-R"]["laterality"] == "right"
    assert items["rim_one_r3/G-2-R"]["diagnosis"] == "glaucoma"
    assert items["rim_one_r3/N-1-L"]["group"] == items["rim_one_r3/N-1-R"]["group"]


def test_a_mask_for_no_photograph(layouts: dict[str, Path]) -> None:
    next(layouts["drions"].glob("images/image_002.jpg")).unlink()
    with pytest.raises(DataError, match=r"image_002.jpg is of no photograph[\s\S]*correct the mask's name"):
        datalist(layouts["drions"])


def test_a_photograph_without_mask_and_one_given_twice(layouts: dict[str, Path]) -> None:
    root = layouts["idrid_disc"]
    next(root.rglob("IDRiD_02_OD.tif")).unlink()
    shutil.copy(next(root.rglob("IDRiD_01.jpg")), next(root.rglob("b. Testing Set")) / "IDRiD_01.jpg")
    from scripts.sources import read_source

    problems = read_source(root).problems
    assert sorted(problem.kind for problem in problems) == ["photograph given twice", "photograph without mask"]
    with pytest.raises(DataError, match="two photographs are called IDRiD_01"):
        datalist(root)


def test_a_stereo_photograph_of_odd_width(layouts: dict[str, Path]) -> None:
    photograph(next(layouts["rim_one_r3"].rglob("N-1-L.jpg")), width=2 * WIDTH - 1)
    from scripts.masks import OddWidth

    with pytest.raises(OddWidth, match=r"N-1-L.jpg is 119x40[\s\S]*an even width"):
        datalist(layouts["rim_one_r3"])


def test_soft_maps_with_other_levels(layouts: dict[str, Path]) -> None:
    item = datalist(layouts["drishti"])["training"][0]
    save(np.full((HEIGHT, WIDTH), 100, np.uint8), Path(item["disc"]))
    with pytest.raises(DataError, match=r"such as \[100\][\s\S]*0, 64, 128, 191, 255"):
        label(item)


def test_refuges_maps_with_other_levels(layouts: dict[str, Path]) -> None:
    item = datalist(layouts["refuge"])["training"][0]
    save(np.full((HEIGHT, WIDTH), 127, np.uint8), Path(item["disc"]))
    with pytest.raises(DataError, match=r"such as \[127\]"):
        label(item)


def test_an_empty_disc_one_of_another_size_and_a_grey_one(layouts: dict[str, Path]) -> None:
    item = datalist(layouts["drions"])["training"][0]
    save(np.zeros((HEIGHT, WIDTH), np.uint8), Path(item["disc"]))
    with pytest.raises(DataError, match=r"image_001.jpg is empty"):
        label(item)
    save(black_and_white(ellipse(12)[:, 1:]), Path(item["disc"]))
    with pytest.raises(DataError, match=r"is 59x40, its photograph's view 60x40"):
        label(item)
    save(np.full((HEIGHT, WIDTH), 120, np.uint8), Path(item["disc"]))
    with pytest.raises(DataError, match=r"neither black nor white on 100"):
        label(item)


@pytest.mark.parametrize("source", ["rim_one_r3", "rim_one_dl", "drions", "idrid_disc"])
def test_black_and_white_the_other_way_round(layouts: dict[str, Path], source: str) -> None:
    item = datalist(layouts[source])["training"][0]
    assert label(item).mean() < 0.25
    save(black_and_white(~ellipse(12)), Path(item["disc"]))
    with pytest.raises(DataError, match=r"covers 81.\d% of the view with all four corners[\s\S]*invert it"):
        label(item)


@pytest.mark.parametrize(("source", "most"), [("drions", "50%"), ("rim_one_dl", "80%")])
def test_a_disc_larger_than_discs_are(layouts: dict[str, Path], source: str, most: str) -> None:
    """A picture cut out around the disc may show an ellipse that touches all its borders, and no more."""
    item = datalist(layouts[source])["training"][0]
    y, x = np.mgrid[:HEIGHT, :WIDTH]
    filling = np.hypot((y - 19.5) / 20, (x - 29.5) / 30) <= 1
    save(black_and_white(filling), Path(item["disc"]))
    if source == "rim_one_dl":
        assert label(item).mean() == filling.mean() > 0.78
        filling[1:-1, 1:-1] = True
        save(black_and_white(filling), Path(item["disc"]))
    with pytest.raises(DataError, match=rf"of the view\n[\s\S]*at most {most}"):
        label(item)


def test_a_disc_at_the_border() -> None:
    from shared.report.findings import touches_border

    assert not touches_border(ellipse(12))
    assert touches_border(ellipse(12, centre=(20, 8)))
    assert touches_border(ellipse(19.5, centre=(20, 30)))
    assert touches_border(ellipse(12, centre=(30, 50)))


def test_a_folder_of_no_source_and_a_name_of_none(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"no source that is known[\s\S]*rim_one_r3: [\s\S]*drions: "):
        datalist(tmp_path)
    with pytest.raises(DataError, match=r"is no folder"):
        datalist(tmp_path / "none")
    with pytest.raises(ConfigError, match=r"did you mean 'drishti'"):
        datalist(tmp_path, source="dristi")
    with pytest.raises(DataError, match=r"has no photograph of refuge"):
        datalist(tmp_path, source="refuge")


def test_nobody_left_to_train_on_and_another_split(layouts: dict[str, Path]) -> None:
    with pytest.raises(DataError, match=r"leaves no photograph to train on"):
        datalist(layouts["drions"], validation_fraction=1.0)
    with pytest.raises(ConfigError, match=r"one of published, seeded"):
        datalist(layouts["drions"], protocol="random")


@pytest.mark.real
def test_real_idrid_discs(real_idrid: Path) -> None:
    from scripts.masks import read_label, read_view
    from scripts.sources import choose_source

    from shared.report.findings import touches_border

    assert choose_source(real_idrid) == "idrid_disc"
    lists = datalist(real_idrid, protocol="seeded", validation_fraction=0.2)
    assert len(every(lists)) == 54
    assert min(len(items) for items in lists.values()) >= 8
    for item in every(lists)[::27]:
        disc = read_label(item["disc"], kind="disc", rule=item["rule"], size=(2848, 4288), stereo=False)
        assert read_view(item["image"], stereo=False).full_size == (2848, 4288)
        assert 0.008 < disc.mean() < 0.04
        assert not touches_border(disc)
