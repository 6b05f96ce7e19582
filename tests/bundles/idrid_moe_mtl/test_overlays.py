"""Every overlay goes with training, evaluation and inference; without it the weights are refused."""

import json
import logging

import pytest
from monai.bundle.scripts import run as run_bundle

from shared.errors import CheckpointError, ConfigError
from tests.support.bundle import config_files
from tests.support.errors import fails_with

NAME = "idrid_moe_mtl"
OVERLAYS = ["quickstart", "as_published", "baseline_classifier", "baseline_deeplabv3plus", "high_resolution"]
MODEL_KEYS = {"image_size", "backbone", "num_experts", "patch_size", "amp", "device", "num_workers"}


@pytest.fixture
def go(tiny, tmp_path, phantom_idrid, store):
    """Calls `monai.bundle.run` as the command line does, at a tiny size."""
    photograph = next((phantom_idrid / "A. Segmentation" / "1. Original Images" / "b. Testing Set").iterdir())

    def call(run_id, *names, **more):
        small = tiny | {"image_size": [96, 112], "max_epochs": 1, "batches_per_epoch": 2, "patch_size": [64, 80]}
        small |= {"accumulation_steps": 1, "validation_fraction": 0.5}
        if run_id != "training":
            small |= {"ckpt_path": str(tmp_path / "models" / "model.pt"), "output_dir": str(tmp_path / run_id)}
        if run_id == "inference":
            small = {key: small[key] for key in (*MODEL_KEYS, "ckpt_path", "output_dir")}
            small["dataset_dir"] = str(photograph)
        if "baseline" in "".join(names):
            small.pop("num_experts")
        if run_id == "evaluating":
            small |= {"split": "validation", "bootstrap_samples": 20}
        run_bundle(
            run_id, config_file=config_files(NAME, *names), logging_file=False, tracking_uri=store, **small | more
        )

    return call


@pytest.mark.parametrize("overlay", [None, *OVERLAYS])
def test_overlays_go_with_training_evaluation_and_inference(overlay, go, tmp_path):
    more = [overlay] if overlay else []
    experts = {"num_experts": 2} if overlay not in ("baseline_classifier", "baseline_deeplabv3plus") else {}
    go("training", "train", *more, **experts)
    facts = json.loads((tmp_path / "models" / "model.json").read_text())
    assert facts["config_files"] == ["train.json", *(f"{name}.json" for name in more)]
    assert ("num_experts" in facts["settings"]) == bool(experts)
    assert facts["settings"]["tasks"] == facts["tasks"]
    go("evaluating", "train", *more, "evaluate")
    chosen = json.loads((tmp_path / "models" / "thresholds.json").read_text())["thresholds"]
    report = json.loads((tmp_path / "evaluating" / "metrics.json").read_text())
    assert set(report["thresholds_not_chosen"]) == set(report["thresholds"]) - set(chosen)
    go("inference", "inference", *more)
    assert (tmp_path / "inference" / "summary.csv").is_file()
    assert (tmp_path / "inference" / "run.json").is_file()


@pytest.fixture
def published(go, tmp_path):
    """A model trained with `as_published`."""
    go("training", "train", "as_published")
    return tmp_path / "models" / "model.json"


def test_weights_are_refused_with_other_settings_and_taken_with_a_larger_canvas(go, published, caplog):
    for run_id, names in (("evaluating", ("train", "evaluate")), ("inference", ("inference",))):
        with fails_with(CheckpointError, "crop none (here field_of_view)"):
            go(run_id, *names)
        with fails_with(CheckpointError, "scoring sigmoid (here softmax)"):
            go(run_id, *names)
        with fails_with(CheckpointError, "(as_published.json)"):
            go(run_id, *names)
    go("inference", "inference", settings={}, grade_norm="none")
    facts = json.loads(published.read_text())
    facts["settings"] |= {"fov_diameter": 80, "crop": "field_of_view", "scoring": "softmax"}
    published.write_text(json.dumps(facts))
    go("inference", "inference", image_size=[128, 160], fov_diameter=80, grade_norm="none")
    with fails_with(CheckpointError, "--fov_diameter 80"):
        go("inference", "inference", image_size=[128, 160], grade_norm="none")
    published.unlink()
    with caplog.at_level(logging.WARNING):
        go("inference", "inference", grade_norm="none")
    assert "nothing is known of the settings" in caplog.text


@pytest.mark.parametrize(
    ("run_id", "names", "keys", "text"),
    [
        ("training", ["train"], {"ckpt_path": "x"}, "did you mean --resume?"),
        ("training", ["train"], {"split": "test"}, "--split has no effect in this run (it is a key of evaluate.json)"),
        ("inference", ["inference", "quickstart"], {"max_epochs": 3}, "--max_epochs has no effect"),
        ("training", ["train"], {"image_size": 64}, "a list of 2 numbers"),
        ("training", ["train"], {"max_epochs": "abc"}, "--max_epochs 60"),
        ("training", ["train"], {"batch_size": 0}, "batch_size"),
        ("training", ["train"], {"learning_rate": -1}, "not negative"),
        ("training", ["train"], {"amp": "no"}, "True or False"),
        ("training", ["train"], {"dataset_dir": 2024}, "--dataset_dir \"'2024'\""),
    ],
)
def test_keys_without_effect_and_values_of_another_type_are_refused(go, run_id, names, keys, text):
    with fails_with(ConfigError, text):
        go(run_id, *names, **keys)
