"""The published networks (tests/bundles/verification has what bundles share)."""

import pytest

from tests.support.bundle import workflow

NAME = "idrid_moe_mtl"


@pytest.mark.parametrize(
    ("overlay", "parameters"),
    [("as_published", 42_372_668), ("baseline_deeplabv3plus", 39_800_581), ("baseline_classifier", 25_610_312)],
)
def test_published_parameter_counts(overlay, parameters, tiny):
    flow = workflow(NAME, "train", overlay, dataset_dir=tiny["dataset_dir"], output_dir=tiny["output_dir"])
    flow.initialize()
    network = flow.parser.get_parsed_content("network_def")
    assert sum(parameter.numel() for parameter in network.parameters()) == parameters
