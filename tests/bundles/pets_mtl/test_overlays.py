"""The overlays go with training, evaluation and inference; weights of other settings are refused."""

import csv
import json

import pytest
from monai.bundle.scripts import run as run_bundle

from shared.errors import CheckpointError, DataError
from tests.support.bundle import config_files
from tests.support.errors import fails_with
from tests.support.tiny import only_accepted, overlays_of

NAME = "pets_mtl"


@pytest.fixture
def go(tiny, tmp_path):
    """Calls `monai.bundle.run` as the command line does, at a tiny size."""

    def call(run_id, *names, **more):
        small = tiny | {"max_epochs": 1, "batches_per_epoch": 2, "split": "test", "bootstrap_samples": 0}
        small["ckpt_path"] = str(tmp_path / "models" / "model.pt")
        if run_id != "training":
            small["output_dir"] = str(tmp_path / run_id)
        if run_id == "inference":
            small["dataset_dir"] += "/images/phantom_dog_2_1.jpg"
        small = only_accepted(small, NAME, *names)
        run_bundle(run_id, config_file=config_files(NAME, *names), logging_file=False, **small | more)

    return call


@pytest.mark.parametrize("overlay", overlays_of(NAME))
def test_overlays_go_with_training_evaluation_and_inference(overlay, go, tmp_path):
    go("training", "train", overlay)
    facts = json.loads((tmp_path / "models" / "model.json").read_text())
    assert facts["config_files"] == ["train.json", f"{overlay}.json"]
    go("evaluating", "train", overlay, "evaluate")
    with (tmp_path / "evaluating" / "metrics.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert {row["task"] for row in rows} >= {"pet", "species", "box"}
    assert {row["border"] for row in rows} == {"pet"}
    go("inference", "inference", overlay)
    assert (tmp_path / "inference" / "summary.csv").is_file()


def test_weights_are_refused_with_other_settings_or_images_that_were_trained_on(go):
    go("training", "train", border="ignored")
    with fails_with(CheckpointError, "border ignored (here pet)"):
        go("evaluating", "train", "evaluate")
    with fails_with(CheckpointError, "channels"):
        go("evaluating", "train", "evaluate", border="ignored", channels=[4, 8, 8, 8])
    with fails_with(CheckpointError, "image_size [64, 64] (here [96, 96])"):
        go("inference", "inference", image_size=[96, 96])
    with fails_with(DataError, "were trained on"):
        go("evaluating", "train", "evaluate", border="ignored", split_seed=3)
