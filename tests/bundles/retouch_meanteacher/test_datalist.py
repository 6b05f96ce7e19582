"""Data lists: by patient, stratified by vendor, seeded; fractions of labels; leaks refused."""

from __future__ import annotations

import logging
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from shared.data import slice_items
from shared.data.splits import SPLIT_FILE, check_unseen, save_split
from shared.errors import ConfigError, DataError
from shared.handlers import RecordSplit
from tests.support.volumes import write_retouch

pytestmark = pytest.mark.usefixtures("retouch_scripts")

VENDORS = {"Cirrus": 10, "Spectralis": 10, "Topcon": 8}
Lists = dict[str, list[dict[str, Any]]]


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    patients, number = {}, 0
    for vendor, count in VENDORS.items():
        patients[vendor] = [f"TRAIN{number + i:03d}" for i in range(count)]
        number += count
    return write_retouch(tmp_path_factory.mktemp("retouch"), patients, unlabelled=["TRAIN003"], size=(6, 8))


@pytest.fixture
def unlabelled(tmp_path: Path) -> Path:
    return write_retouch(tmp_path / "more", {"Cirrus": ["TRAIN000B", "NEW17"]}, size=(6, 8))


def make(data: Path, **keys: Any) -> Lists:
    from scripts.datalist import make_datalist

    return make_datalist(data, **keys)


def names(lists: Lists, part: str) -> set[str]:
    return {volume["name"] for volume in lists[part]}


def patients(lists: Lists, part: str) -> set[str]:
    return {volume["patient"] for volume in lists[part]}


def vendors(volumes: list[dict[str, Any]]) -> dict[str, int]:
    return dict(Counter(volume["vendor"] for volume in volumes))


def test_parts_by_patient_and_vendor(data: Path, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO):
        lists = make(data, labelled_fraction=0.5)
    assert list(lists) == ["labelled", "unlabelled", "validation", "test"]
    assert vendors(lists["validation"]) == {"Cirrus": 2, "Spectralis": 2, "Topcon": 2}
    assert vendors(lists["labelled"]) == {"Cirrus": 4, "Spectralis": 4, "Topcon": 3}
    assert not lists["test"]
    assert sum(len(volumes) for volumes in lists.values()) == sum(VENDORS.values())
    assert not patients(lists, "validation") & (patients(lists, "labelled") | patients(lists, "unlabelled"))
    assert all(volume["label"] for part in ("labelled", "validation") for volume in lists[part])
    assert {volume["label"] for volume in lists["unlabelled"]} == {""}
    assert "Cirrus/TRAIN003" in names(lists, "unlabelled")
    assert "RETOUCH: labelled: 11 volumes (Cirrus 4, Spectralis 4, Topcon 3), 36 B-scans" in caplog.text
    assert caplog.text.count("1 volumes have no reference and count as unlabelled: Cirrus/TRAIN003") == 1
    slices = slice_items(lists["labelled"]) + slice_items(lists["unlabelled"])
    assert sum(item["labelled"] for item in slices) == 36
    assert len({item["name"] for item in slices}) == len(slices)


def test_seed_decides_and_fractions_are_nested(data: Path) -> None:
    assert make(data, split_seed=3) == make(data, split_seed=3)
    assert names(make(data, split_seed=3), "validation") != names(make(data), "validation")
    before: set[str] = set()
    for fraction in (1 / 8, 1 / 4, 1 / 2, 1):
        lists = make(data, labelled_fraction=fraction)
        assert names(lists, "validation") == names(make(data), "validation")
        assert names(lists, "labelled") > before
        before = names(lists, "labelled")
        assert set(vendors(lists["labelled"])) == set(VENDORS)
    assert names(lists, "unlabelled") == {"Cirrus/TRAIN003"}


def test_every_patient_is_validated_in_one_fold(data: Path) -> None:
    folds = [make(data, fold=fold, num_folds=4) for fold in range(4)]
    held = [patients(lists, "validation") for lists in folds]
    assert sum(map(len, held)) == len(set.union(*held)) == sum(VENDORS.values()) - 1
    for lists in folds:
        assert all(2 <= count <= 3 for count in vendors(lists["validation"]).values())
        assert not patients(lists, "validation") & (patients(lists, "labelled") | patients(lists, "unlabelled"))


def test_always_training(data: Path) -> None:
    for fold in range(4):
        lists = make(data, fold=fold, num_folds=4, always_training=["TRAIN000", "TRAIN010"], labelled_fraction=0.125)
        assert {"TRAIN000", "TRAIN010"} <= patients(lists, "labelled")
    for seed in range(5):
        lists = make(data, always_training=["TRAIN000"], labelled_fraction=0.125, split_seed=seed)
        assert vendors(lists["labelled"]) == {"Cirrus": 1, "Spectralis": 1, "Topcon": 1}
        assert "TRAIN000" in patients(lists, "labelled")


def test_a_vendor_left_out_is_tested_on_and_trained_on_in_no_way(data: Path, unlabelled: Path) -> None:
    lists = make(data, leave_out_vendor="Cirrus", unlabelled_dir=unlabelled)
    assert vendors(lists["test"]) == {"Cirrus": 9}
    for part in ("labelled", "unlabelled", "validation"):
        assert "Cirrus" not in vendors(lists[part])
    assert {volume["label"] != "" for volume in lists["test"]} == {True}


def test_more_unlabelled_volumes(data: Path, unlabelled: Path) -> None:
    lists = make(data, unlabelled_dir=unlabelled, always_training=["TRAIN000"])
    more = names(lists, "unlabelled") - names(make(data, always_training=["TRAIN000"]), "unlabelled")
    assert more == {"unlabelled/Cirrus/NEW17", "unlabelled/Cirrus/TRAIN000B"}
    assert {volume["label"] for volume in lists["unlabelled"]} == {""}


def test_unlabelled_scans_of_a_held_out_patient_are_refused(data: Path, unlabelled: Path) -> None:
    refused = 0
    for fold in range(4):
        validated = patients(make(data, fold=fold, num_folds=4), "validation")
        if "TRAIN000" in validated:
            refused += 1
            with pytest.raises(DataError, match="patients who are validated or tested on: TRAIN000") as caught:
                make(data, fold=fold, num_folds=4, unlabelled_dir=unlabelled)
            assert "--always_training \"['TRAIN000']\"" in str(caught.value)
        else:
            make(data, fold=fold, num_folds=4, unlabelled_dir=unlabelled)
    assert refused == 1
    with pytest.raises(ConfigError, match="is the data set itself"):
        make(data, unlabelled_dir=data)


def test_volumes_without_reference_of_validation_patients_are_not_used(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    patients_of = {"Cirrus": [f"P{i}_{eye}" for i in range(6) for eye in ("left", "right")]}
    root = write_retouch(tmp_path, patients_of, unlabelled=[f"P{i}_right" for i in range(6)], size=(6, 8))
    with caplog.at_level(logging.INFO):
        lists = make(root, validation_fraction=0.34)
    assert len(lists["validation"]) == 2
    assert len(lists["unlabelled"]) == 4
    assert not patients(lists, "validation") & patients(lists, "unlabelled")
    assert "are of validation patients and not used" in caplog.text


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        ({"labelled_fraction": 1 / 16}, r"labelled_fraction 0\.0625 leaves none of Cirrus's 7 training volumes"),
        ({"labelled_fraction": 0}, "labelled_fraction 0"),
        ({"labelled_fraction": 1.5}, r"labelled_fraction 1\.5"),
        ({"fold": 5, "num_folds": 5}, "fold 5 of num_folds 5"),
        ({"fold": 0, "num_folds": 28}, "fold 0 of num_folds 28 with 27 patients"),
        ({"always_training": ["TRAIN01"]}, r"always_training names 'TRAIN01'[\s\S]*did you mean TRAIN0"),
        ({"leave_out_vendor": "cirrus"}, r"leave_out_vendor names 'cirrus'[\s\S]*did you mean Cirrus"),
        ({"validation_fraction": 1.0}, "validation_fraction 1 of 27 patients cannot be held out"),
        ({"validation_fraction": -0.5}, r"validation fraction -0\.5"),
        ({"num_classes": 1}, "num_classes 1"),
    ],
)
def test_keys_that_do_not_fit_are_refused(data: Path, keys: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        make(data, **keys)


def test_a_data_set_without_labels_is_refused(tmp_path: Path) -> None:
    root = write_retouch(tmp_path, {"Cirrus": ["A1", "A2"]}, unlabelled=["A1", "A2"], size=(6, 8))
    with pytest.raises(DataError, match=r"no volume .* has a reference"):
        make(root)


def test_no_validation_at_all_is_possible(data: Path) -> None:
    assert not make(data, validation_fraction=0)["validation"]


def test_a_vendor_whose_labels_are_all_held_out_is_said(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    root = write_retouch(tmp_path, {"Cirrus": ["A1", "A2", "A3"], "Topcon": ["B1"]}, size=(6, 8))
    held = [fold for fold in range(4) if "B1" in patients(make(root, fold=fold, num_folds=4), "validation")]
    assert len(held) == 1
    assert caplog.text.count("all labelled volumes of Topcon are held out") == 1


def test_the_run_s_split_is_saved_and_checked(data: Path, tmp_path: Path) -> None:
    first, other = make(data, labelled_fraction=0.5), make(data, split_seed=3, labelled_fraction=0.5)
    RecordSplit(datalist=first, output_dir=tmp_path, about={"split_seed": 0}).record()
    check_unseen(first, split="validation", split_file=tmp_path / SPLIT_FILE)
    with pytest.raises(DataError, match=r"validation volumes, or others of the same patient[\s\S]*--split_seed 0"):
        check_unseen(other, split="validation", split_file=tmp_path / SPLIT_FILE)
    # What was trained on without labels was trained on.
    unlabelled = names(first, "unlabelled") & names(other, "validation")
    labelled = names(first, "labelled") & names(other, "validation")
    assert unlabelled
    save_split({"unlabelled": first["unlabelled"]}, tmp_path / SPLIT_FILE)
    with pytest.raises(DataError, match=f"{len(unlabelled)} of {len(other['validation'])} validation volumes"):
        check_unseen(other, split="validation", split_file=tmp_path / SPLIT_FILE)
    assert len(labelled | unlabelled) <= len(other["validation"])


def test_a_class_without_labels_is_said(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    root = write_retouch(tmp_path / "two", {"Cirrus": ["P1", "P2", "P3"]}, classes=3)
    make(root)
    assert "no labelled B-scan has class 3 (PED): it cannot be learned" in caplog.text
    caplog.clear()
    make(root, num_classes=3)
    assert "cannot be learned" not in caplog.text
    with pytest.raises(DataError, match="has the labels 2 in B-scan 1"):
        make(write_retouch(tmp_path / "more", {"Cirrus": ["P1", "P2"]}, classes=3), num_classes=2)
