"""The mean of sites' weights: against NVFlare's own, a loop, and corners worked out by hand."""

import math

import pytest
import torch
from torch import nn

from shared.errors import CheckpointError, ConfigError, TrainingError
from shared.federated.average import federated_average, weighted_mean


def states(count=3):
    torch.manual_seed(1)
    networks = [nn.Sequential(nn.Conv2d(2, 3, 3), nn.BatchNorm2d(3)) for _ in range(count)]
    for steps, network in enumerate(networks, start=1):
        for _ in range(steps):
            network(torch.rand(2, 2, 6, 6))
    return {f"site-{number}": network.state_dict() for number, network in enumerate(networks)}


def test_equals_nvflares_mean_and_a_loop():
    helper_module = pytest.importorskip("nvflare.app_common.aggregators.weighted_aggregation_helper")
    given, samples = states(), {"site-0": 10, "site-1": 30, "site-2": 5}
    found = federated_average(given, samples=samples)
    helper = helper_module.WeightedAggregationHelper()
    for site, state in given.items():
        helper.add({name: value.double() for name, value in state.items()}, float(samples[site]), site, 0)
    theirs = helper.get_result()
    for name, value in found.items():
        if not value.is_floating_point():
            continue
        torch.testing.assert_close(value, theirs[name].float())
        total = sum(samples[site] * given[site][name].double() for site in given) / 45
        torch.testing.assert_close(value, total.float())


def test_statistics_are_averaged_counters_are_the_largest_and_nothing_is_shared():
    given = states(2)
    found = federated_average(given, samples={"site-0": 1, "site-1": 1})
    halves = (given["site-0"]["1.running_var"] + given["site-1"]["1.running_var"]) / 2
    torch.testing.assert_close(found["1.running_var"], halves)
    assert found["1.num_batches_tracked"].dtype == torch.int64
    assert int(found["1.num_batches_tracked"]) == 2
    before = given["site-0"]["0.weight"].clone()
    found["0.weight"].add_(1)
    torch.testing.assert_close(given["site-0"]["0.weight"], before)


def test_one_site_or_alike_sites_change_nothing():
    one = states(1)
    found = federated_average({"a": one["site-0"], "b": one["site-0"]}, samples={"a": 3, "b": 7})
    for name, value in one["site-0"].items():
        assert torch.equal(found[name], value)
        assert found[name].dtype == value.dtype


def test_a_site_without_images_counts_nothing():
    given = states(2)
    found = federated_average(given, samples={"site-0": 4, "site-1": 0})
    torch.testing.assert_close(found["0.weight"], given["site-0"]["0.weight"])


@pytest.mark.parametrize("samples", [{"site-0": 0, "site-1": 0}, {"site-0": 2, "site-1": -1}])
def test_no_images_at_all_are_refused(samples):
    with pytest.raises(ConfigError, match="training images"):
        federated_average(states(2), samples=samples)


def test_sites_with_different_networks_are_refused_by_name():
    given = states(2)
    given["site-1"] = dict(given["site-1"]) | {"0.weight": torch.zeros(1)}
    with pytest.raises(CheckpointError, match=r"site-1 and site-0 train different networks; they differ in 0\.weight"):
        federated_average(given, samples={"site-0": 1, "site-1": 1})


def test_weights_that_are_not_finite_are_refused_with_the_sites_name():
    given = states(2)
    given["site-1"]["1.weight"][0] = math.nan
    with pytest.raises(TrainingError, match=r"site-1 sends weights that are not finite \(1\.weight\)"):
        federated_average(given, samples={"site-0": 1, "site-1": 1})


def test_a_score_that_is_missing_does_not_count():
    assert weighted_mean([0.2, math.nan, 0.8], [1, 5, 3]) == pytest.approx(0.65)
    assert math.isnan(weighted_mean([math.nan], [2]))
