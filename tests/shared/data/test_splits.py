from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from shared.data.splits import load_split, save_split, split_groups
from shared.errors import ConfigError, DataError


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


def test_saved_split_comes_back(tmp_path: Path) -> None:
    names = {"training": ["a", "b"], "validation": ["c"]}
    save_split(names, tmp_path / "new" / "split.json", about={"seed": 0})
    assert load_split(tmp_path / "new" / "split.json") == names
    assert [file.name for file in (tmp_path / "new").iterdir()] == ["split.json"]


def test_bad_split_files_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "split.json"
    with pytest.raises(DataError, match="cannot read the split"):
        load_split(path)
    path.write_text('{"parts": ["a"]}')
    with pytest.raises(DataError, match="cannot read the split"):
        load_split(path)
    save_split({"training": ["a"], "validation": ["a"]}, path)
    with pytest.raises(DataError, match="twice: a"):
        load_split(path)
    (tmp_path / "file").write_text("")
    with pytest.raises(DataError, match="cannot write"):
        save_split({}, tmp_path / "file" / "split.json")
