from __future__ import annotations

import json
import logging
import shutil
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from PIL import Image

from shared.errors import ConfigError, DataError
from shared.tasks import parse_tasks
from tests.support.fundus import draw_fundus

TASKS = [
    {"name": "RG", "kind": "grade", "num_classes": 5},
    {"name": "MER", "kind": "grade", "num_classes": 3},
    *({"name": name, "kind": "mask"} for name in ("MA", "HE", "EX", "SE", "OD")),
]
A_IMAGES, A_MASKS = "A. Segmentation/1. Original Images", "A. Segmentation/2. All Segmentation Groundtruths"
B_IMAGES, B_LABELS = "B. Disease Grading/1. Original Images", "B. Disease Grading/2. Groundtruths"
SUBSETS = {"train": "a. Training Set", "test": "b. Testing Set"}
TABLES = {
    "train": "a. IDRiD_Disease Grading_Training Labels.csv",
    "test": "b. IDRiD_Disease Grading_Testing Labels.csv",
}
# name -> (eye, grades); eyes 1 and 2 are in both parts' training, 3 and 4 across the official split, 5 twice in B.
PART_A = {"train": {"01": 1, "02": 2, "03": 3, "04": 10}, "test": {"05": 4, "06": 11}}
PART_B = {
    "train": {
        "001": (1, 3, 2),
        "002": (2, 2, 1),
        "003": (4, 4, 2),
        "004": (5, 1, 0),
        "005": (5, 1, 0),
        "006": (12, 0, 0),
    },
    "test": {"007": (3, 2, 2), "008": (13, 0, 0)},
}


@pytest.fixture
def scripts(idrid_scripts: None) -> SimpleNamespace:
    from scripts.centres import read_centres
    from scripts.datalist import make_datalist
    from scripts.idrid import read_idrid

    return SimpleNamespace(make_datalist=make_datalist, read_idrid=read_idrid, read_centres=read_centres)


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("idrid")
    for subset, folder in SUBSETS.items():
        for path in (f"{A_IMAGES}/{folder}", f"{A_MASKS}/{folder}/3. Hard Exudates", f"{B_IMAGES}/{folder}", B_LABELS):
            (root / path).mkdir(parents=True, exist_ok=True)
        for number, eye in PART_A[subset].items():
            save_eye(root / A_IMAGES / folder / f"IDRiD_{number}.jpg", eye)
            lesion = np.zeros((178, 268), bool)
            Image.fromarray(lesion).save(root / A_MASKS / folder / "3. Hard Exudates" / f"IDRiD_{number}_EX.tif")
        for number, (eye, *_) in PART_B[subset].items():
            save_eye(root / B_IMAGES / folder / f"IDRiD_{number}.jpg", eye, half=True)
        write_table(root, subset, [f"IDRiD_{number},{rg},{mer}" for number, (_, rg, mer) in PART_B[subset].items()])
    return root


@pytest.fixture
def root(template: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(template, tmp_path / "idrid"))


def save_eye(path: Path, eye: int, *, half: bool = False) -> None:
    picture = Image.fromarray(draw_fundus(356, 536, seed=eye))
    picture = picture.reduce(2) if not half else picture
    picture.save(path, quality=90)


def write_table(root: Path, subset: str, rows: list[str], header: str = "") -> None:
    empty = "," * 9
    header = header or "Image name,Retinopathy grade,Risk of macular edema "
    text = "\r\n".join(row + empty for row in [header, *rows, ",,"]) + "\r\n"
    (root / B_LABELS / TABLES[subset]).write_text(text)


def names(items: list[dict[str, Any]]) -> list[str]:
    return [item["name"] for item in items]


def by_name(lists: dict[str, list[dict[str, Any]]]) -> dict[str, dict[str, Any]]:
    return {item["name"]: item for items in lists.values() for item in items}


def test_items_are_as_promised_and_plain_json(scripts: SimpleNamespace, root: Path) -> None:
    lists = scripts.make_datalist(root, tasks=TASKS, protocol="official")
    assert json.loads(json.dumps(lists)) == lists
    item = by_name(lists)["A/train/IDRiD_01"]
    assert item == {
        "image": str(root / A_IMAGES / "a. Training Set/IDRiD_01.jpg"),
        "name": "A/train/IDRiD_01",
        "mask_paths": ["", "", str(root / A_MASKS / "a. Training Set/3. Hard Exudates/IDRiD_01_EX.tif"), "", ""],
        "labelled": [True] * 6 + [False],
        "grades": [3, 2],
        "group": item["group"],
        "leaks": False,
    }
    assert by_name(lists)["A/train/IDRiD_04"]["grades"] == [-1, -1]
    assert by_name(lists)["A/train/IDRiD_04"]["labelled"] == [False] * 2 + [True] * 4 + [False]
    assert by_name(lists)["B/train/IDRiD_006"]["labelled"] == [True] * 2 + [False] * 5
    assert by_name(lists)["B/train/IDRiD_006"]["mask_paths"] == [""] * 5


def test_leakage_free_drops_the_eyes_of_test_sets(
    scripts: SimpleNamespace, root: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.INFO):
        lists = scripts.make_datalist(root, tasks=TASKS)
    trained = names(lists["training"]) + names(lists["validation"])
    assert "A/train/IDRiD_03" not in trained
    assert "B/train/IDRiD_003" not in trained
    assert len(trained) == 8
    assert "dropped 2 training photographs whose eye is in a test set (1 of part A, 1 of part B)" in caplog.text
    assert names(lists["test"]) == [f"A/test/IDRiD_{n}" for n in ("05", "06")] + [
        f"B/test/IDRiD_{n}" for n in ("007", "008")
    ]
    assert [item["leaks"] for item in lists["test"]] == [True, False, True, False]
    # Grades are tested on part B's official test set only.
    assert [item["grades"] for item in lists["test"]] == [[-1, -1], [-1, -1], [2, 2], [0, 0]]
    assert [item["labelled"][0] for item in lists["test"]] == [False, False, True, True]


def test_official_split_keeps_all_and_says_that_it_leaks(
    scripts: SimpleNamespace, root: Path, caplog: pytest.LogCaptureFixture
) -> None:
    lists = scripts.make_datalist(root, tasks=TASKS, protocol="official", validation_fraction=0.3)
    assert len(lists["training"]) + len(lists["validation"]) == 10
    assert "LEAKS: 2 training photographs" in caplog.text
    assert sum(item["leaks"] for item in lists["test"]) == 2
    # Its copy is in part B's test set: the grade must not be learnt from there.
    assert by_name(lists)["A/train/IDRiD_03"]["grades"] == [-1, -1]


def test_an_eye_is_on_one_side_only(scripts: SimpleNamespace, root: Path) -> None:
    for seed in range(6):
        lists = scripts.make_datalist(
            root, tasks=TASKS, validation_fraction=0.4, split_seed=seed, cache_dir=root / "cache"
        )
        assert lists["validation"]
        groups = {part: {item["group"] for item in items} for part, items in lists.items()}
        assert not groups["training"] & groups["validation"]
        assert not groups["training"] & groups["test"]
        items = by_name(lists)
        assert items["A/train/IDRiD_01"]["group"] == items["B/train/IDRiD_001"]["group"]
        assert items["B/train/IDRiD_004"]["group"] == items["B/train/IDRiD_005"]["group"]
        assert items["A/train/IDRiD_01"]["group"] != items["A/train/IDRiD_02"]["group"]
        assert lists == scripts.make_datalist(root, tasks=TASKS, validation_fraction=0.4, split_seed=seed)


def test_validation_is_the_same_for_every_task_list_and_protocol(
    scripts: SimpleNamespace, phantom_idrid: Path, tmp_path: Path
) -> None:
    folder = phantom_idrid
    keys = {"validation_fraction": 0.35, "cache_dir": tmp_path}
    made = []
    for split_seed in range(3):
        made.append(scripts.make_datalist(folder, tasks=TASKS, protocol="official", split_seed=split_seed, **keys))
        held_out = set(names(made[-1]["validation"]))
        assert {name[0] for name in held_out} == {"A", "B"}
        for tasks in (TASKS, TASKS[:1], TASKS[:2], TASKS[2:], TASKS[4:5]):
            for protocol in ("leakage_free", "official"):
                lists = scripts.make_datalist(folder, tasks=tasks, protocol=protocol, split_seed=split_seed, **keys)
                assert lists["validation"]
                assert set(names(lists["validation"])) <= held_out
                assert not set(names(lists["training"])) & held_out
    assert made[0]["validation"] != made[1]["validation"]


def test_a_missing_disc_is_unlabelled_and_a_missing_lesion_is_absent(
    scripts: SimpleNamespace, root: Path, caplog: pytest.LogCaptureFixture
) -> None:
    folder = root / A_MASKS / "a. Training Set/5. Optic Disc"
    folder.mkdir()
    Image.new("1", (268, 178)).save(folder / "IDRiD_01_OD.tif")
    items = by_name(scripts.make_datalist(root, tasks=TASKS))
    assert items["A/train/IDRiD_01"]["labelled"][2:] == [True] * 5
    assert items["A/train/IDRiD_02"]["labelled"][2:] == [True] * 4 + [False]
    assert "5 photographs of part A have no OD file, so they are unlabelled for OD (A/train/IDRiD_02" in caplog.text
    only_disc = scripts.make_datalist(root, tasks=TASKS[6:])
    assert list(by_name(only_disc)) == ["A/train/IDRiD_01"]
    caplog.clear()
    scripts.make_datalist(root, tasks=TASKS[:6])
    assert "OD file" not in caplog.text


def test_copies_that_disagree_give_no_grade(
    scripts: SimpleNamespace, root: Path, caplog: pytest.LogCaptureFixture
) -> None:
    save_eye(root / B_IMAGES / "a. Training Set/IDRiD_006.jpg", 1, half=True)
    item = by_name(scripts.make_datalist(root, tasks=TASKS))["A/train/IDRiD_01"]
    assert item["grades"] == [-1, -1]
    assert item["labelled"][:2] == [False, False]
    assert "are one photograph" in caplog.text
    assert "copies of A/train/IDRiD_01 disagree on RG (B/train/IDRiD_001 3, B/train/IDRiD_006 0)" in caplog.text


def test_a_second_photograph_of_an_eye_shares_its_group_but_not_its_grade(scripts: SimpleNamespace, root: Path) -> None:
    again = Image.fromarray(draw_fundus(356, 536, seed=10, shift=(0.08, -0.1), brightness=0.9))
    again.save(root / B_IMAGES / "a. Training Set/IDRiD_006.jpg", quality=90)
    items = by_name(scripts.make_datalist(root, tasks=TASKS))
    assert items["A/train/IDRiD_04"]["group"] == items["B/train/IDRiD_006"]["group"]
    assert items["A/train/IDRiD_04"]["grades"] == [-1, -1]


@pytest.mark.parametrize(("absent", "kept"), [("A. Segmentation", "B"), ("B. Disease Grading", "A")])
def test_one_part_alone_is_enough(
    scripts: SimpleNamespace, root: Path, absent: str, kept: str, caplog: pytest.LogCaptureFixture
) -> None:
    shutil.rmtree(root / absent)
    lists = scripts.make_datalist(root, tasks=TASKS)
    assert {name[0] for part in lists.values() for name in names(part)} == {kept}
    assert f"absent: part {absent[0]}" in caplog.text
    assert "no training photograph is labelled for" in caplog.text


def test_absent_test_sets_are_reported_not_fatal(
    scripts: SimpleNamespace, root: Path, caplog: pytest.LogCaptureFixture
) -> None:
    for folder in (A_IMAGES, B_IMAGES):
        shutil.rmtree(root / folder / "b. Testing Set")
    lists = scripts.make_datalist(root, tasks=TASKS)
    assert lists["test"] == []
    assert len(lists["training"]) + len(lists["validation"]) == 10
    assert "absent: part A (segmentation), test set" in caplog.text
    assert "absent: part B (grading), test set" in caplog.text


def test_tasks_choose_the_photographs(scripts: SimpleNamespace, root: Path) -> None:
    grades = by_name(scripts.make_datalist(root, tasks=TASKS[:1]))
    assert "A/train/IDRiD_04" not in grades
    assert grades["A/train/IDRiD_01"]["labelled"] == [True]
    assert grades["A/train/IDRiD_01"]["mask_paths"] == []
    masks = by_name(scripts.make_datalist(root, tasks=TASKS[2:]))
    assert {name[0] for name in masks} == {"A"}
    assert masks["A/train/IDRiD_01"]["grades"] == []
    shutil.rmtree(root / "A. Segmentation")
    with pytest.raises(DataError, match="no photograph labelled for MA, HE"):
        scripts.make_datalist(root, tasks=TASKS[2:])


@pytest.mark.parametrize(
    "task",
    [{"name": "XX", "kind": "mask"}, {"name": "RG", "kind": "grade", "num_classes": 3}, {"name": "RG", "kind": "mask"}],
)
def test_tasks_that_idrid_does_not_have_are_refused(scripts: SimpleNamespace, root: Path, task: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match=f"IDRiD has no {task['kind']} task '{task['name']}'"):
        scripts.make_datalist(root, tasks=[task])
    with pytest.raises(ConfigError, match="protocol 'random'"):
        scripts.make_datalist(root, tasks=TASKS, protocol="random")


@pytest.mark.parametrize("wrong", ["missing", "empty", "file", "other files", "inside", "above"])
def test_a_wrong_folder_shows_the_layout(scripts: SimpleNamespace, root: Path, tmp_path: Path, wrong: str) -> None:
    folder = tmp_path / "wrong"
    if wrong == "file":
        folder.write_text("")
    elif wrong != "missing":
        folder.mkdir()
    if wrong == "other files":
        (folder / "cat.jpg").write_text("")
    folder = {"inside": root / "A. Segmentation", "above": tmp_path}.get(wrong, folder)
    with pytest.raises(DataError, match="is not IDRiD") as caught:
        scripts.make_datalist(folder, tasks=TASKS)
    assert "2. All Segmentation Groundtruths" in str(caught.value)
    assert "--dataset_dir" in str(caught.value)
    if wrong in ("inside", "above"):
        assert f"did you mean {root}?" in str(caught.value)


def rows(**changes: str) -> Iterator[str]:
    for number, (_, rg, mer) in PART_B["train"].items():
        yield changes.get(f"n{number}", f"IDRiD_{number},{rg},{mer}")


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"n002": "IDRiD_002,5,0"}, "line 3: the Retinopathy grade of IDRiD_002 is 5"),
        ({"n002": "IDRiD_002,2,3"}, "line 3: the Risk of macular edema of IDRiD_002 is 3"),
        ({"n002": "IDRiD_002,-1,0"}, "is '-1'"),
        ({"n002": "IDRiD_002,mild,0"}, "is 'mild'"),
        ({"n002": "IDRiD_002,,0"}, "is ''"),
        ({"n002": "IDRiD_002,1.5,0"}, r"is '1\.5'"),
        ({"n002": "IDRiD_001,3,2"}, "IDRiD_001 has two rows"),
        (
            {"n002": "IDRiD_099,3,2"},
            "1 photographs without a row in .*: IDRiD_002; 1 rows of .* without photograph: IDRiD_099",
        ),
    ],
)
def test_wrong_rows_are_refused_by_line(
    scripts: SimpleNamespace, root: Path, changed: dict[str, str], message: str
) -> None:
    write_table(root, "train", list(rows(**changed)))
    with pytest.raises(DataError, match=message):
        scripts.read_idrid(root)


def test_headers_are_recognised_and_missing_ones_named(scripts: SimpleNamespace, root: Path) -> None:
    expected = scripts.read_idrid(root).entries
    write_table(root, "train", list(rows()), header="\ufeffimage name , RETINOPATHY  grade,Risk of macular edema")
    assert scripts.read_idrid(root).entries == expected
    write_table(root, "train", list(rows()), header="Image name,Grade,Risk of macular edema ")
    with pytest.raises(DataError, match="has no column 'Retinopathy grade'"):
        scripts.read_idrid(root)


def test_mismatches_list_five_names_and_can_be_allowed(
    scripts: SimpleNamespace, root: Path, caplog: pytest.LogCaptureFixture
) -> None:
    write_table(root, "train", [*list(rows())[1:], *(f"IDRiD_{n},0,0" for n in range(200, 207))])
    with pytest.raises(DataError, match=r"7 rows of .* without photograph: .*IDRiD_204 and 2 more") as caught:
        scripts.make_datalist(root, tasks=TASKS)
    assert "allow_missing" in str(caught.value)
    lists = scripts.make_datalist(root, tasks=TASKS, allow_missing=True)
    assert "B/train/IDRiD_001" not in by_name(lists)
    assert "without photograph" in caplog.text
    orphan = root / A_MASKS / "a. Training Set/3. Hard Exudates/IDRiD_77_EX.tif"
    Image.new("1", (4, 4)).save(orphan)
    write_table(root, "train", list(rows()))
    with pytest.raises(DataError, match=r"1 masks without photograph: IDRiD_77_EX\.tif"):
        scripts.read_idrid(root)


def test_suffix_variants_and_nested_archives(scripts: SimpleNamespace, root: Path) -> None:
    folder = root / A_IMAGES / "a. Training Set"
    (folder / "IDRiD_01.jpg").rename(folder / "IDRiD_01.JPG")
    (folder / "IDRiD_02.jpg").rename(folder / "IDRiD_02.jpeg")
    mask = root / A_MASKS / "a. Training Set/3. Hard Exudates/IDRiD_01_EX.tif"
    mask.rename(mask.with_name("IDRiD_01_ex.TIFF"))
    (root / "B. Disease Grading").rename(root / "outer")
    (root / "B. Disease Grading").mkdir()
    (root / "outer").rename(root / "B. Disease Grading/B. Disease Grading")
    entries = {entry.name: entry for entry in scripts.read_idrid(root).entries}
    assert len(entries) == 14
    assert entries["A/train/IDRiD_01"].image.suffix == ".JPG"
    assert entries["A/train/IDRiD_01"].masks["EX"].suffix == ".TIFF"
    shutil.copy(folder / "IDRiD_02.jpeg", folder / "IDRiD_02.png")
    with pytest.raises(DataError, match="two photographs are called IDRiD_02"):
        scripts.read_idrid(root)


def test_labels_that_are_absent_altogether_are_an_error(scripts: SimpleNamespace, root: Path) -> None:
    (root / B_LABELS / TABLES["train"]).unlink()
    with pytest.raises(DataError, match="6 photographs in its train set and 0 tables"):
        scripts.read_idrid(root)
    shutil.rmtree(root / A_MASKS / "a. Training Set")
    with pytest.raises(DataError, match="4 photographs in its train set but no mask"):
        scripts.read_idrid(root)


def test_centres_of_part_c(scripts: SimpleNamespace, root: Path) -> None:
    assert scripts.read_centres(root) == {}
    tail = "," * 40
    for folder, name, rows_ in [
        ("1. Optic Disc Center Location", "a. IDRiD_OD_Center_Training Set_Markups.csv", ["IDRiD_001,2858,1805"]),
        (
            "2. Fovea Center Location",
            "IDRiD_Fovea_Center_Training Set_Markups.csv",
            ["IDRiD_001,1494,1970", "IDRiD_002,5,6"],
        ),
    ]:
        path = root / "C. Localization/2. Groundtruths" / folder
        path.mkdir(parents=True)
        table = "\r\n".join(row + tail for row in ["Image No,X- Coordinate,Y - Coordinate", *rows_, ",,", ",,"])
        (path / name).write_text(table)
    centres = scripts.read_centres(root)
    assert centres["B/train/IDRiD_001"] == ((1805.0, 2858.0), (1970.0, 1494.0))
    assert centres["B/train/IDRiD_002"] == (None, (6.0, 5.0))
    (path / name).write_text(table.replace("1494", "left"))
    with pytest.raises(DataError, match=r"line 2: 'IDRiD_001' at 'left'"):
        scripts.read_centres(root)


@pytest.mark.real
def test_real_folder(scripts: SimpleNamespace, real_idrid: Path) -> None:
    found = scripts.read_idrid(real_idrid)
    assert [sum(entry.part == part for entry in found.entries) for part in "AB"] == [54, 397]
    assert found.absent == ["part A (segmentation), test set", "part B (grading), test set"]
    masks = [sum(kind in entry.masks for entry in found.entries) for kind in ("MA", "HE", "EX", "SE", "OD")]
    assert masks == [54, 53, 54, 26, 54]
    assert len(scripts.read_centres(real_idrid)) == 397
    assert len(parse_tasks(TASKS)) == 7


@pytest.mark.real
def test_real_photographs_are_on_the_same_side_for_every_task_list(
    scripts: SimpleNamespace, real_idrid: Path, tmp_path: Path
) -> None:
    lists = {
        key: scripts.make_datalist(real_idrid, tasks=tasks, cache_dir=tmp_path)
        for key, tasks in {"all": TASKS, "grades": TASKS[:2], "masks": TASKS[2:]}.items()
    }
    assert sum(len(items) for items in lists["all"].values()) == 54 + 397
    held_out = {key: set(names(made["validation"])) for key, made in lists.items()}
    assert held_out["masks"] == {name for name in held_out["all"] if name[0] == "A"}
    graded = {item["name"] for item in lists["all"]["validation"] if any(item["labelled"][:2])}
    assert held_out["grades"] == graded
    assert len(held_out["masks"]) == pytest.approx(0.2 * 54, abs=2)
    assert len(held_out["all"]) == pytest.approx(0.2 * 451, abs=4)
