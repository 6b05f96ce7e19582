import csv
import json
from pathlib import Path

import numpy as np
import pytest

from shared.report.experts import expert_rows, expert_use
from shared.report.files import write_csv, write_json
from shared.report.table import format_table, with_interval


def test_json_is_strict(tmp_path):
    value = {"a": np.float32(0.5), "b": [np.nan, np.inf, np.int64(3)], "c": np.arange(2), "d": Path("x"), "e": True}
    path = write_json(tmp_path / "deep" / "x.json", value)
    assert json.loads(path.read_text()) == {"a": 0.5, "b": [None, None, 3], "c": [0, 1], "d": "x", "e": True}


def test_csv_leaves_the_undefined_empty(tmp_path):
    path = write_csv(tmp_path / "x.csv", [{"a": 1, "b": np.nan}, {"b": "x,y"}], ["a", "b"])
    assert list(csv.DictReader(path.open())) == [{"a": "1", "b": ""}, {"a": "", "b": "x,y"}]
    with pytest.raises(ValueError, match="unknown"):
        write_csv(path, [{"unknown": 1}], ["a"])
    assert path.read_text().count("\n") == 3
    assert [file.name for file in tmp_path.iterdir()] == ["x.csv"]


def test_table_aligns():
    text = format_table(["task", "n", "value"], [["MA", 3, 0.5], ["long name", 12, np.nan]], title="Title")
    assert text.splitlines() == [
        "Title",
        "task        n  value",
        "--------------------",
        "MA          3  0.500",
        "long name  12      -",
    ]
    assert with_interval(0.5, 0.4, 0.6) == "0.500 [0.400, 0.600]"
    assert with_interval(0.5, np.nan, np.nan) == "0.500"


def test_expert_use_counts_only_evaluated_pairs():
    weights = np.zeros((4, 2, 3))
    weights[:, 0] = [[1, 0, 0], [0.5, 0.5, 0], [0, 0, 1], [0, 0, 0]]
    evaluated = np.array([[True, False], [True, False], [False, True], [True, True]])
    use = expert_use(weights, evaluated)
    assert use.count_T.tolist() == [2, 0]
    np.testing.assert_allclose(use.share_TE[0], [1, 0.5, 0])
    np.testing.assert_allclose(use.weight_TE[0], [0.75, 0.25, 0])
    assert np.isnan(use.share_TE[1]).all()
    rows = expert_rows(use, ["RG", "MA"])
    assert len(rows) == 6
    assert rows[0]["mean_experts_per_photograph"] == 1.5
