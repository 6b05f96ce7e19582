"""Every overlay and method through training, evaluation and inference; other settings are refused."""

import csv
import json

import pytest
from monai.bundle.scripts import run as run_bundle

from shared.engines.consistency import METHODS
from shared.errors import CheckpointError, ConfigError, DataError
from tests.support.bundle import config_files
from tests.support.errors import fails_with
from tests.support.tiny import only_accepted, overlays_of

NAME = "retouch_meanteacher"


@pytest.fixture
def go(tiny_of, store, tmp_path):
    """Calls `monai.bundle.run` as the command line does, at a tiny size."""

    def call(run_id, *names, **more):
        overlay = "duke" if "duke" in names else ""
        small = tiny_of(NAME, overlay) | {"max_epochs": 1, "batches_per_epoch": 2, "tracking_uri": store}
        small |= {"ckpt_path": str(tmp_path / "models" / "model.pt"), "bootstrap_samples": 0, "split": "validation"}
        if run_id != "training":
            small["output_dir"] = str(tmp_path / run_id)
        if run_id == "inference":
            volume = "RETOUCH-TrainingSet-Spectralis/DUKE002" if overlay else "RETOUCH-TrainingSet-Topcon/TRAIN007"
            small["dataset_dir"] += f"/{volume}/oct.mhd"
        small = only_accepted(small, NAME, *names)
        run_bundle(run_id, config_file=config_files(NAME, *names), logging_file=False, **small | more)

    return call


def rows_of(path):
    with path.open() as file:
        return list(csv.DictReader(file))


@pytest.mark.parametrize("overlay", [None, *overlays_of(NAME)])
def test_overlays_go_with_training_evaluation_and_inference(overlay, go, tmp_path):
    more = [overlay] if overlay else []
    go("training", "train", *more)
    facts = json.loads((tmp_path / "models" / "model.json").read_text())
    assert facts["config_files"] == ["train.json", *(f"{name}.json" for name in more)]
    go("evaluating", "train", *more, "evaluate")
    rows = rows_of(tmp_path / "evaluating" / "per_volume.csv")
    assert {row["prediction"] for row in rows} == {"student", "teacher"}
    fluids = ["fluid"] if overlay == "duke" else ["IRF", "SRF", "PED"]
    assert {f"{fluid}_dice" for fluid in [*fluids, "mean"]} <= set(rows[0])
    go("inference", "inference", *more)
    files = {path.name for path in (tmp_path / "inference").rglob("*") if path.is_file()}
    assert {"run.json", "config.json"} <= files
    assert any(name.endswith(".mha") for name in files)
    assert any(name.endswith(".nii.gz") for name in files)


@pytest.mark.parametrize("method", sorted(set(METHODS) - {"mean_teacher", "supervised"}))
@pytest.mark.parametrize("names", [["train"], ["train", "duke"]], ids=["K=4", "K=2"])
def test_methods(method, names, go, tmp_path):
    go("training", *names, method=method)
    rows = json.loads((tmp_path / "run" / "history.json").read_text())
    assert {"loss_supervised", "loss_consistency", "score"} <= set(rows[0])
    assert json.loads((tmp_path / "models" / "model.json").read_text())["method"] == method


def test_weights_are_refused_with_other_settings(go, tmp_path):
    go("training", "train", neighbours=1)
    for run_id, names in (("evaluating", ("train", "evaluate")), ("inference", ("inference",))):
        with fails_with(CheckpointError, "neighbours 1 (here 0)"):
            go(run_id, *names)
        with fails_with(CheckpointError, "--neighbours 1"):
            go(run_id, *names)
    with fails_with(CheckpointError, "image_size [64, 64] (here [96, 96])"):
        go("inference", "inference", neighbours=1, image_size=[96, 96])
    with fails_with(CheckpointError, "classes IRF SRF PED (here fluid)"):
        go("inference", "inference", neighbours=1, classes=["fluid"])


def test_a_left_out_vendor_is_the_test_part(go, tmp_path, phantoms_of):
    go("training", "train", leave_out_vendor="Topcon")
    split = json.loads((tmp_path / "models" / "split.json").read_text())["parts"]
    assert {name.split("/")[0] for name in split["test"]} == {"Topcon"}
    assert {name.split("/")[0] for part in ("labelled", "unlabelled", "validation") for name in split[part]} == {
        "Cirrus",
        "Spectralis",
    }
    go("evaluating", "train", "evaluate", leave_out_vendor="Topcon", split="test")
    assert {row["vendor"] for row in rows_of(tmp_path / "evaluating" / "per_volume.csv")} == {"Topcon"}
    with fails_with(DataError, "were trained on"):
        go("evaluating", "train", "evaluate", leave_out_vendor="Cirrus", split="test")
    with fails_with(DataError, "no test volumes"):
        go("evaluating", "train", "evaluate", split="test")
    members = {"checkpoints": {"a": str(tmp_path / "models" / "student.pt")}, "ckpt_path": "nowhere/model.pt"}
    with fails_with(DataError, "were trained on"):
        go("evaluating", "train", "evaluate", leave_out_vendor="Cirrus", split="test", **members)


def test_an_ensemble_is_fitted_and_evaluated(go, tmp_path):
    go("training", "train")
    go("evaluating", "train", "evaluate", fit_ensemble=True)
    fitted = json.loads((tmp_path / "evaluating" / "ensemble.json").read_text())
    assert sum(fitted["weights"].values()) == pytest.approx(1)
    models = tmp_path / "models"
    both = {"new": str(models / "teacher.pt"), "old": str(models / "student.pt")}
    go("evaluating", "train", "evaluate", checkpoints=both, ensemble={"new": 0.8, "old": 0.2})
    rows = rows_of(tmp_path / "evaluating" / "per_volume.csv")
    assert {row["prediction"] for row in rows} == {"new", "old", "ensemble"}


@pytest.mark.parametrize(
    ("run_id", "names", "keys", "kind", "text"),
    [
        ("training", ["train"], {"unlabeled_batch_size": 2}, ConfigError, "did you mean --unlabelled_batch_size?"),
        ("training", ["train"], {"method": "meanteacher"}, ConfigError, "mean_teacher"),
        ("training", ["train"], {"deploy": "techer"}, ConfigError, "teacher"),
        ("training", ["train"], {"passes": "both"}, ConfigError, "apart"),
        ("training", ["train"], {"leave_out_vendor": "Topcom"}, ConfigError, "Topcon"),
        ("training", ["train"], {"labelled_fraction": 0.1}, ConfigError, "leaves none of Cirrus's 2"),
        ("training", ["train"], {"image_size": [60, 64]}, ConfigError, "[64,64]"),
        ("training", ["train"], {"dataset_dir": "no/such/folder"}, DataError, "RETOUCH-TrainingSet-"),
        ("training", ["train"], {"loss_name": "dicefocal"}, ConfigError, "dice_focal"),
        ("training", ["train"], {"split": "test"}, ConfigError, "it is a key of evaluate.json"),
        ("evaluating", ["train", "evaluate"], {"ckpt_path": "nowhere/model.pt"}, CheckpointError, "--ckpt_path"),
        ("inference", ["inference"], {"ckpt_path": "nowhere/model.pt"}, CheckpointError, "--ckpt_path"),
        ("inference", ["inference"], {"method": "fixmatch"}, ConfigError, "--method has no effect"),
    ],
)
def test_what_cannot_be_run_says_why(go, run_id, names, keys, kind, text):
    with fails_with(kind, text):
        go(run_id, *names, **keys)
