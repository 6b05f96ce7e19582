"""Evaluation of a trained model by configuration: parts, sizes, other data sets, what is refused."""

import csv
import json

import pytest
import torch

from shared.data.splits import SPLIT_FILE, save_split
from shared.errors import CheckpointError, ConfigError, DataError
from tests.support.bundle import run, workflow
from tests.support.errors import fails_with
from tests.support.measured import compare_measured

NAME = "fundus_od_unet"


@pytest.fixture
def trained(tiny, tmp_path):
    """Overrides that evaluate untrained weights of disc and cup, with what training would have left beside them."""
    keys = tiny | {"classes": ["disc", "cup"]}
    flow = workflow(NAME, "train", **keys)
    flow.initialize()
    parsed = {name: flow.parser.get_parsed_content(name) for name in ("network_def", "datalist")}
    folder = tmp_path / "models"
    save_split(parsed["datalist"], folder / SPLIT_FILE, about={"validation_fraction": 0.2, "split_seed": 0})
    torch.save(parsed["network_def"].state_dict(), folder / "model.pt")
    (folder / "model.json").write_text(json.dumps({"phantom": True}))
    return keys | {
        "ckpt_path": str(folder / "model.pt"),
        "output_dir": str(tmp_path / "evaluation"),
        "bootstrap_samples": 50,
    }


def evaluate(keys, **more):
    return run(NAME, "train", "evaluate", **keys | more)


def table(path):
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def test_test_part_and_another_data_set_beside_it(trained, layouts, tmp_path, capsys):
    flow = evaluate(trained, data_sets={"drions": str(layouts["drions"])})
    out = tmp_path / "evaluation"
    lines = table(out / "data_sets.csv")
    assert [line["data_set"] for line in lines] == ["phantoms", "drions"]
    assert 0 <= float(lines[0]["cup_dice"]) <= 1
    assert lines[1]["cup_dice"] == ""
    assert compare_measured(NAME, out, stage="evaluation") == (set(), set())
    names = {line["name"] for line in table(out / "per_photograph.csv") if line["data_set"] == "phantoms"}
    split = json.loads((tmp_path / "models" / "split.json").read_text())
    assert names == set(split["parts"]["test"])
    comparisons = {line["compared"] for line in table(out / "per_reader.csv")}
    assert comparisons == {"model against expert1", "model against expert2", "expert1 against expert2"}
    content = json.loads((out / "metrics.json").read_text())
    assert content["provenance"]["model"]["checkpoint"] == trained["ckpt_path"]
    assert "drions" in capsys.readouterr().out
    outputs = flow.parser.get_parsed_content("validate#evaluator").state.output
    assert outputs[0]["pred"].shape == (3, 40, 60), "scored at the photograph's own size"


def test_what_cannot_be_evaluated_says_why(trained, tmp_path):
    for keys, kind, text in (
        ({"split": "validation", "validation_fraction": 0.7}, DataError, "--split_seed 0"),
        ({"data_sets": {"again": trained["dataset_dir"]}}, DataError, "were trained on"),
        ({"split": "exam"}, ConfigError, "training, validation, test"),
        ({"ckpt_path": "nowhere/model.pt"}, CheckpointError, "--ckpt_path"),
        ({"classes": ["disc"]}, CheckpointError, "another architecture"),
        ({"data_sets": {"other": "nowhere"}}, DataError, "nowhere is no folder"),
    ):
        with fails_with(kind, text):
            evaluate(trained, **keys)
    assert not (tmp_path / "evaluation" / "metrics.json").exists()
