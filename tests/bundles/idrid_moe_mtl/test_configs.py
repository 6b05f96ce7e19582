"""One fact, one place; what the format forbids is compared (tests/bundles/test_configs.py has what bundles share)."""

import pytest

from tests.support.bundle import workflow
from tests.support.tiny import read_config

NAME = "idrid_moe_mtl"


def normalisation(transforms):
    return next(
        {key: value for key, value in item.items() if key != "_desc_"}
        for item in transforms
        if item["_target_"] == "NormalizeIntensityd"
    )


def test_normalisation_is_one():
    train = read_config(NAME, "train")
    expected = normalisation(train["train"]["preprocessing"]["transforms"])
    for transforms in (
        train["validate"]["preprocessing"]["transforms"],
        read_config(NAME, "inference")["preprocessing"]["transforms"],
        read_config(NAME, "evaluate")["validate#preprocessing#transforms"],
        read_config(NAME, "as_published")["+train"]["preprocessing"]["transforms"],
    ):
        assert normalisation(transforms) == expected


@pytest.mark.parametrize(
    ("overlay", "parameters"),
    [("as_published", 42_372_668), ("baseline_deeplabv3plus", 39_800_581), ("baseline_classifier", 25_610_312)],
)
def test_published_parameter_counts(overlay, parameters, tiny):
    flow = workflow(NAME, "train", overlay, dataset_dir=tiny["dataset_dir"], output_dir=tiny["output_dir"])
    flow.initialize()
    network = flow.parser.get_parsed_content("network_def")
    assert sum(parameter.numel() for parameter in network.parameters()) == parameters
