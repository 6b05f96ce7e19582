"""Evaluation of a trained model: the splits, the sizes, what is missing."""

import csv
import json
import shutil

import pytest

from shared.errors import CheckpointError, ConfigError, DataError
from tests.support.bundle import run
from tests.support.errors import fails_with
from tests.support.measured import compare_measured


@pytest.fixture
def trained(tiny, tmp_path):
    """Overrides that evaluate a model trained for one short epoch."""
    run("idrid_moe_mtl", "train", **tiny | {"max_epochs": 1, "batches_per_epoch": 2})
    return tiny | {
        "ckpt_path": str(tmp_path / "models" / "model.pt"),
        "output_dir": str(tmp_path / "evaluation"),
        "bootstrap_samples": 50,
    }


def evaluate(keys, **more):
    return run("idrid_moe_mtl", "train", "evaluate", **keys | more)


def test_test_part_with_the_leak_free_subset_beside_the_whole(trained, tmp_path, capsys):
    evaluate(trained)
    with (tmp_path / "evaluation" / "metrics.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert {row["subset"] for row in rows} == {"all", "official-leak-free"}
    wanted = {"dice", "iou", "sensitivity", "average_precision", "aupr_11", "aupr_33"}
    assert wanted <= {row["metric"] for row in rows if row["task"] == "MA"}
    assert {"accuracy", "kappa", "auroc"} <= {row["metric"] for row in rows if row["task"] == "RG"}
    assert "PHANTOM DATA" in capsys.readouterr().out
    content = json.loads((tmp_path / "evaluation" / "metrics.json").read_text())
    thresholds = json.loads((tmp_path / "models" / "thresholds.json").read_text())["thresholds"]
    assert content["thresholds"] == pytest.approx(thresholds)
    assert compare_measured("idrid_moe_mtl", tmp_path / "evaluation", stage="evaluation") == (set(), set())


def test_scores_are_taken_at_the_photographs_own_size(trained, tmp_path):
    flow = evaluate(trained, split="validation")
    outputs = flow.parser.get_parsed_content("validate#evaluator").state.output
    assert outputs[0]["pred"].shape == (5, 178, 268)


def test_validation_photographs_that_were_trained_on_are_refused(trained, tmp_path, caplog):
    split = json.loads((tmp_path / "models" / "split.json").read_text())
    assert split == json.loads((tmp_path / "run" / "split.json").read_text())
    assert set(split["about"]) == {"protocol", "validation_fraction", "split_seed"}
    evaluate(trained, split="validation", seed=5)
    scored = (tmp_path / "evaluation" / "per_photograph.csv").read_text()
    assert all(name in scored for name in split["parts"]["validation"])
    assert not any(name in scored for name in split["parts"]["training"])
    with fails_with(DataError, "--split_seed 0"):
        evaluate(trained, split="validation", split_seed=1)
    (tmp_path / "models" / "split.json").unlink()
    evaluate(trained, split="validation", split_seed=1)
    assert "is not checked" in caplog.text


def test_a_run_does_not_go_on_with_another_split(tiny, trained, tmp_path):
    with fails_with(DataError, "--split_seed 0"):
        run("idrid_moe_mtl", "train", **tiny | {"max_epochs": 2, "batches_per_epoch": 2, "split_seed": 1})
    run("idrid_moe_mtl", "train", **tiny | {"max_epochs": 2, "batches_per_epoch": 2, "seed": 1})


def test_without_a_test_part_validation_works_and_test_says_what_to_do(tiny, trained, phantom_idrid, tmp_path):
    folder = tmp_path / "without_test"
    shutil.copytree(phantom_idrid, folder)
    for part in folder.rglob("b. Testing Set"):
        shutil.rmtree(part)
    for file in folder.rglob("*Testing*.csv"):
        file.unlink()
    # Without a test part nothing is dropped, so the split is another.
    with fails_with(DataError, "according to"):
        evaluate(trained, dataset_dir=str(folder), split="validation")
    again = {"max_epochs": 1, "batches_per_epoch": 2, "dataset_dir": str(folder), "output_dir": str(tmp_path / "run2")}
    run("idrid_moe_mtl", "train", **tiny | again)
    evaluate(trained, dataset_dir=str(folder), split="validation")
    assert (tmp_path / "evaluation" / "metrics.json").is_file()
    with fails_with(DataError, "--split validation"):
        evaluate(trained, dataset_dir=str(folder), split="test")


@pytest.mark.parametrize(
    ("keys", "kind", "text"),
    [
        ({"split": "exam"}, ConfigError, "training, validation, test"),
        ({"ckpt_path": "nowhere/model.pt"}, CheckpointError, "--ckpt_path"),
        ({"num_experts": 3}, CheckpointError, "num_experts 2"),
        ({"backbone": "resnet34"}, CheckpointError, "backbone resnet18"),
    ],
    ids=["split", "absent", "experts", "backbone"],
)
def test_what_cannot_be_evaluated_says_why(trained, keys, kind, text):
    with fails_with(kind, text):
        evaluate(trained, **keys)
