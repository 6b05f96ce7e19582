"""Every overlay and loss through training, evaluation and inference; what cannot be run says why."""

import json
from pathlib import Path

import pytest
from monai.bundle.scripts import run as run_bundle

from shared.errors import CheckpointError, ConfigError, DataError
from tests.support.bundle import config_files
from tests.support.errors import fails_with
from tests.support.measured import compare_measured
from tests.support.tiny import TINY, only_accepted, overlays_of

NAME = "fundus_od_unet"


@pytest.fixture
def go(tiny, tmp_path):
    """Calls `monai.bundle.run` as the command line does, at a tiny size."""

    def call(run_id, *names, **more):
        small = tiny | {"max_epochs": 1, "batches_per_epoch": 1, "val_interval": 1}
        small |= {"ckpt_path": str(tmp_path / "models" / "model.pt"), "bootstrap_samples": 0, "split": "validation"}
        if run_id != "training":
            small["output_dir"] = str(tmp_path / run_id)
        if run_id == "inference":
            small["dataset_dir"] += f"/{TINY[NAME].inferred}"
        small = only_accepted(small, NAME, *names)
        run_bundle(run_id, config_file=config_files(NAME, *names), logging_file=False, **small | more)

    return call


@pytest.mark.parametrize("overlay", ["record", *overlays_of(NAME)])
def test_overlays_go_with_training_evaluation_and_inference(overlay, go, tmp_path):
    go("training", "train", overlay)
    facts = json.loads((tmp_path / "models" / "model.json").read_text())
    assert facts["config_files"] == ["train.json", f"{overlay}.json"]
    assert facts["settings"]["backbone"] == ("classic" if overlay == "as_published" else "padded")
    undeclared, unwritten = compare_measured(NAME, tmp_path / "run")
    assert not undeclared
    if overlay == "record":
        assert all("cup" in column or column.startswith("per_reader.csv") for column in unwritten)
        assert len(list((tmp_path / "run" / "snapshots").glob("epoch_*.pt"))) == 2
        return
    go("evaluating", "train", overlay, "evaluate")
    table = (tmp_path / "evaluating" / "per_photograph.csv").read_text().splitlines()
    assert len(table) == 3
    assert ("cup" in table[0]) == (overlay == "cup")
    go("inference", "inference", overlay)
    names = {path.name for path in Path(tmp_path / "inference").rglob("*") if path.is_file()}
    assert {"run.json", "config.json", "summary.csv"} <= names


def test_weights_are_refused_with_other_settings(go, tmp_path):
    go("training", "train")
    for keys, text in (
        ({"image_size": [96, 96]}, "image_size [64, 48] (here [96, 96])"),
        ({"classes": ["disc", "cup"]}, "classes disc (here disc cup)"),
        ({"backbone": "classic"}, "--backbone padded"),
    ):
        with fails_with(CheckpointError, text):
            go("inference", "inference", **keys)
    with fails_with(DataError, "were trained on"):
        go("evaluating", "train", "evaluate", split="test", split_seed=5)


@pytest.mark.parametrize(
    ("keys", "kind", "text"),
    [
        ({"lossname": "dice"}, ConfigError, "did you mean --loss_name?"),
        ({"loss_name": "dicefocal"}, ConfigError, "dice_focal"),
        ({"optimizer_name": "adagrad"}, ConfigError, "one of sgd, rmsprop, adam, adamw"),
        ({"learning_rate": "fast"}, ConfigError, "a number above 0, or 'auto'"),
        ({"class_weights": [1, 2, 3]}, ConfigError, "2 numbers"),
        ({"classes": ["cup"]}, ConfigError, "['disc', 'cup']"),
        ({"protocol": "random"}, ConfigError, "one of published, seeded"),
        ({"reader": "expert3"}, ConfigError, "expert1"),
        ({"source": "drion"}, ConfigError, "did you mean 'drions'"),
        ({"backbone": "unet"}, ConfigError, "one of classic, padded"),
        ({"pretrained": "imagenet"}, ConfigError, "scratch"),
        ({"window": [0, 4]}, ConfigError, "a height and a width"),
        ({"dataset_dir": "no/such/folder"}, DataError, "is no folder"),
        ({"split": "test"}, ConfigError, "it is a key of evaluate.json"),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else "",
)
def test_what_cannot_be_run_says_why(keys, kind, text, go):
    with fails_with(kind, text):
        go("training", "train", **keys)


def test_a_data_set_without_cups_is_refused_where_the_cup_is_asked_for(go, layouts):
    with fails_with(DataError, "no cup mask"):
        go("training", "train", "cup", dataset_dir=str(layouts["drions"]))


def test_a_data_set_that_the_doctor_refuses_is_not_trained_on(go, layouts):
    (layouts["drions"] / "masks" / "image_002.jpg").unlink()
    with fails_with(DataError, "python -m shared doctor bundles/fundus_od_unet"):
        go("training", "train", dataset_dir=str(layouts["drions"]))
