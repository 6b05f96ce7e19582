"""One fact, one place; where the format forbids it, the places are compared."""

import json
from pathlib import Path

import pytest

from tests.support.bundle import config_files, workflow

HYPER_PARAMETERS = """dataset_dir output_dir device seed max_epochs batch_size image_size num_workers learning_rate
backbone pretrained amp"""


def read(name):
    return json.loads(Path(config_files("idrid_moe_mtl", name)[0]).read_text())


TRAIN, INFERENCE = read("train"), read("inference")
SHARED = [
    "tasks",
    "network_def",
    "image_size",
    "fov_diameter",
    "crop",
    "contrast",
    "phantoms",
    "settings",
    "tracking_uri",
    "experiment_name",
    *[
        "backbone",
        "output_stride",
        "num_experts",
        "scoring",
        "rule",
        "top_p",
        "eval_top_p",
        "top_k",
        "dispatch",
        "norm",
    ],
]
OVERLAYS = ["quickstart", "as_published", "baseline_classifier", "baseline_deeplabv3plus", "high_resolution"]


def normalisation(transforms):
    return next(
        {key: value for key, value in item.items() if key != "_desc_"}
        for item in transforms
        if item["_target_"] == "NormalizeIntensityd"
    )


@pytest.mark.parametrize("key", SHARED)
def test_inference_repeats_training(key):
    assert INFERENCE[key] == TRAIN[key]


def test_normalisation_is_one():
    evaluate, published = read("evaluate"), read("as_published")
    expected = normalisation(TRAIN["train"]["preprocessing"]["transforms"])
    for transforms in (
        TRAIN["validate"]["preprocessing"]["transforms"],
        INFERENCE["preprocessing"]["transforms"],
        evaluate["validate#preprocessing#transforms"],
        published["+train"]["preprocessing"]["transforms"],
    ):
        assert normalisation(transforms) == expected


def test_hyper_parameters_are_top_level():
    assert set(HYPER_PARAMETERS.split()) <= set(TRAIN)
    assert TRAIN["train"]["trainer"]["max_epochs"] == "@max_epochs"


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_overlays_say_only_what_differs(overlay):
    content = read(overlay)
    same = [key for key, value in content.items() if TRAIN.get(key) == value]
    allowed = {"max_epochs", "learning_rate", "backbone_factor", "weight_decay", "backbone"}
    allowed |= {"num_experts", "rule", "top_p", "eval_top_p", "dense_epochs", "batch_size", "output_stride"}
    assert not set(same) - (allowed if overlay != "quickstart" else set())


@pytest.mark.parametrize(
    ("names", "kind"),
    [
        (["train"], "train"),
        (["train", "quickstart"], "train"),
        (["train", "as_published"], "train"),
        (["train", "baseline_classifier"], "train"),
        (["train", "baseline_deeplabv3plus"], "train"),
        (["train", "high_resolution"], "train"),
        (["train", "evaluate"], "train"),
        (["inference"], "infer"),
        (["inference", "high_resolution"], "infer"),
    ],
    ids=lambda value: "+".join(value) if isinstance(value, list) else value,
)
def test_properties_are_complete(tiny, names, kind, tmp_path):
    small = {"backbone": "resnet18"}
    keys = tiny | {"image_size": [64, 80], **small} if "evaluate" not in names else tiny
    keys = {key: value for key, value in keys.items() if key in {*INFERENCE, *TRAIN}}
    if kind == "infer":
        keys["dataset_dir"] += "/B. Disease Grading/1. Original Images/b. Testing Set"
        keys = {key: value for key, value in keys.items() if key in INFERENCE}
    if "evaluate" in names:
        (tmp_path / "models").mkdir()
    flow = workflow("idrid_moe_mtl", *names, workflow_type=kind, **keys)
    flow.initialize()
    assert flow.check_properties() == []


@pytest.mark.parametrize(
    ("overlay", "parameters"),
    [("as_published", 42_372_668), ("baseline_deeplabv3plus", 39_800_581), ("baseline_classifier", 25_610_312)],
)
def test_published_parameter_counts(overlay, parameters, tiny):
    flow = workflow("idrid_moe_mtl", "train", overlay, dataset_dir=tiny["dataset_dir"], output_dir=tiny["output_dir"])
    flow.initialize()
    network = flow.parser.get_parsed_content("network_def")
    assert sum(parameter.numel() for parameter in network.parameters()) == parameters
