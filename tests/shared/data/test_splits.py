from __future__ import annotations

import logging
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from shared.data.splits import SPLIT_FILE, choose_split, content_key, load_split, save_split, split_groups
from shared.errors import ConfigError, DataError
from tests.support.volumes import draw_volume, write_mhd


def test_groups_stay_whole_and_strata_balanced() -> None:
    random = np.random.default_rng(0)
    groups = random.integers(0, 150, 300).tolist()
    strata = random.choice(["0", "1", "2", "3"], 300, p=[0.5, 0.3, 0.15, 0.05]).tolist()
    for seed in range(5):
        split = split_groups(groups, fraction=0.2, seed=seed, strata=strata)
        assert sorted(split.training + split.validation) == list(range(300))
        assert not {groups[i] for i in split.training} & {groups[i] for i in split.validation}
        total, held = Counter(strata), Counter(strata[i] for i in split.validation)
        for stratum, count in total.items():
            assert abs(held[stratum] - 0.2 * count) <= 4


def test_balance_is_exact_where_groups_allow() -> None:
    strata = [0] * 50 + [1] * 20 + [2] * 5
    split = split_groups(list(range(75)), fraction=0.2, strata=strata)
    assert Counter(strata[i] for i in split.validation) == {0: 10, 1: 4, 2: 1}


def test_twins_across_strata_do_not_unbalance_the_rarer_one() -> None:
    groups = [*range(40), *range(40), *range(40, 300)]
    strata = ["A"] * 40 + ["B"] * 300
    split = split_groups(groups, fraction=0.2, strata=strata)
    held = Counter(strata[i] for i in split.validation)
    assert abs(held["A"] - 8) <= 1
    assert abs(held["B"] - 60) <= 1


def test_seed_decides() -> None:
    first, again, other = (split_groups(list(range(40)), fraction=0.25, seed=seed) for seed in (1, 1, 2))
    assert first == again
    assert first != other


def test_corners() -> None:
    assert split_groups([0, 1, 2], fraction=0.0).validation == []
    assert split_groups([0, 1, 2], fraction=1.0).training == []
    assert split_groups([], fraction=0.2).training == []
    assert split_groups([5, 5, 5], fraction=0.2) == ([0, 1, 2], [])
    assert all(split_groups([0, 1], fraction=fraction).validation for fraction in (0.01, 0.5, 0.99))
    assert all(split_groups([0, 1], fraction=fraction).training for fraction in (0.01, 0.5, 0.99))
    with pytest.raises(ConfigError, match=r"fraction 1\.2"):
        split_groups([0, 1], fraction=1.2)


def photographs(folder: Path, **parts: str) -> dict[str, list[dict[str, Any]]]:
    """A data list with real files, from ``training="ab"``; upper and lower case of a letter are one eye."""
    folder.mkdir(exist_ok=True)
    lists: dict[str, list[dict[str, Any]]] = {}
    for part, letters in parts.items():
        lists[part] = []
        for letter in letters:
            file = folder / f"{letter}.jpg"
            file.write_text(f"{folder.name} photograph {letter}")
            lists[part].append({"image": str(file), "name": letter, "group": ord(letter.lower())})
    return lists


def test_saved_split_comes_back(tmp_path: Path) -> None:
    lists = photographs(tmp_path / "data", training="ab", validation="c")
    save_split(lists, tmp_path / "new" / "split.json", about={"split_seed": 0})
    saved = load_split(tmp_path / "new" / "split.json")
    assert saved.parts == {"training": ["a", "b"], "validation": ["c"]}
    assert saved.contents == {name: content_key(tmp_path / "data" / f"{name}.jpg") for name in "abc"}
    assert saved.about == {"split_seed": 0}
    assert [file.name for file in (tmp_path / "new").iterdir()] == ["split.json"]


def test_content_tells_files_of_one_name_and_size_apart(tmp_path: Path) -> None:
    keys = []
    for folder, content in (("one", b"abc"), ("same", b"abc"), ("other", b"abd"), ("longer", b"abc" * 90000)):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "a.jpg").write_bytes(content)
        keys.append(content_key(tmp_path / folder / "a.jpg"))
    assert keys[0] == keys[1]
    assert len(set(keys)) == 3
    with pytest.raises(DataError, match="cannot read"):
        content_key(tmp_path / "none.jpg")


def test_photographs_that_were_trained_on_are_refused(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    model = tmp_path / "model" / "model.pt"
    folder = tmp_path / "data"
    save_split(photographs(folder, training="abc", validation="de"), model.with_name(SPLIT_FILE), about={"seed": 4})

    def choose(split: str, lists: dict[str, list[dict[str, Any]]]) -> list[str]:
        return [item["name"] for item in choose_split(datalist=lists, split=split, ckpt_path=model)]

    assert choose("validation", photographs(folder, training="abc", validation="de")) == ["d", "e"]
    with pytest.raises(DataError, match=r"2 of 3 validation photographs.* b, c") as caught:
        choose("validation", photographs(folder, training="ae", validation="bcd"))
    assert "--seed 4" in str(caught.value)
    # The same eye under another name.
    with pytest.raises(DataError, match=r"1 of 2 validation photographs.* A"):
        choose("validation", photographs(folder, training="abc", validation="Ad"))
    with pytest.raises(DataError, match=r"1 of 2 test photographs.* C"):
        choose("test", photographs(folder, training="abc", validation="de", test="Cf"))
    # Another data set with the same names.
    assert choose("validation", photographs(tmp_path / "other", training="de", validation="abc")) == ["a", "b", "c"]
    assert not caplog.records
    assert choose("training", photographs(folder, training="abc", validation="de")) == ["a", "b", "c"]
    # Known to share an eye with the training part, and reported apart; but never the same photograph.
    lists = photographs(folder, training="abc", validation="de", test="Cf")
    lists["test"][0]["leaks"] = True
    assert choose("test", lists) == ["C", "f"]
    assert "the eyes of 1 test photographs" in caplog.text
    lists = photographs(folder, training="ab", test="c")
    lists["test"][0]["leaks"] = True
    with pytest.raises(DataError, match="1 of 1 test"):
        choose("test", lists)


def test_a_model_without_a_split_is_said_to_be_unchecked(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    lists = photographs(tmp_path / "data", training="a", validation="b")
    with caplog.at_level(logging.WARNING):
        assert choose_split(datalist=lists, split="validation", ckpt_path=tmp_path / "model.pt") == lists["validation"]
    assert "is not checked" in caplog.text
    (tmp_path / SPLIT_FILE).write_text("{}")
    with pytest.raises(DataError, match="cannot read the split"):
        choose_split(datalist=lists, split="validation", ckpt_path=tmp_path / "model.pt")


def test_bad_split_files_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "split.json"
    with pytest.raises(DataError, match="cannot read the split"):
        load_split(path)
    path.write_text('{"parts": ["a"]}')
    with pytest.raises(DataError, match="cannot read the split"):
        load_split(path)
    save_split(photographs(tmp_path / "data", training="a", validation="a"), path)
    with pytest.raises(DataError, match="twice: a"):
        load_split(path)
    (tmp_path / "file").write_text("")
    with pytest.raises(DataError, match="cannot write"):
        save_split({}, tmp_path / "file" / "split.json")


def test_volumes_are_compared_with_their_voxels_and_by_patient(tmp_path: Path) -> None:
    def scan(folder: str, name: str, patient: str, seed: int) -> dict[str, Any]:
        path = tmp_path / folder / name / "oct.mhd"
        if not path.exists():
            write_mhd(path, draw_volume(6, 90, 200, seed=seed))
        return {"name": name, "image": str(path), "group": patient, "num_slices": 6}

    a, b, c, d = (scan("one", name, name.upper(), seed) for seed, name in enumerate("abcd"))
    twin = scan("one", "b2", "B", 9)
    model = tmp_path / "model" / "model.pt"
    save_split({"labelled": [a], "unlabelled": [b], "validation": [c], "test": [d]}, model.with_name(SPLIT_FILE))

    def choose(split: str, **lists: list[dict[str, Any]]) -> list[str]:
        return [item["name"] for item in choose_split(datalist=lists, split=split, ckpt_path=model)]

    assert choose("validation", labelled=[a], unlabelled=[b], validation=[c]) == ["c"]
    assert choose("labelled", labelled=[a], validation=[c]) == ["a"]
    with pytest.raises(DataError, match=r"1 of 2 validation volumes, or others of the same patient.* b"):
        choose("validation", labelled=[a], validation=[b, c])
    with pytest.raises(DataError, match=r"1 of 2 test volumes.* b2\n"):
        choose("test", unlabelled=[b], test=[twin, d])
    with pytest.raises(DataError, match="the data set has no test volumes"):
        choose("test", labelled=[a], test=[])
    # Another data set with the same names, sizes and headers.
    assert choose("validation", validation=[scan("two", "a", "A", 7)]) == ["a"]
    pictures = tmp_path / "pictures"
    pictures.mkdir()
    for number in range(3):
        (pictures / f"{number}.png").write_bytes(bytes([number]))
    assert content_key(pictures).startswith("pictures 3 ")
    assert content_key(pictures / "*.png") != content_key(pictures)
