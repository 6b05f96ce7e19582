"""The mean over sites of their weights.

Source: McMahan et al., "Communication-efficient learning of deep networks from decentralized data", AISTATS 2017,
algorithm 1: each site counts with its number of training images.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from shared.errors import CheckpointError, ConfigError, TrainingError

State = dict[str, Tensor]


def federated_average(states: Mapping[str, Mapping[str, Tensor]], *, samples: Mapping[str, float]) -> State:
    """Weighted mean of state dicts.

    Parameters and floating-point buffers (BatchNorm's means and variances) are averaged in double precision; integer
    buffers (BatchNorm's counters, which its momentum of 0.1 does not read) are the largest of the sites'. The means
    are new tensors of the sites' type.

    Args:
        states: site name -> its state dict.
        samples: site name -> its weight, such as its number of training images; only their ratios count.

    Raises:
        ConfigError: no site, or weights that are negative or all 0.
        CheckpointError: sites whose names or shapes differ: they train different networks.
        TrainingError: a site whose weights are not finite.
    """
    sites = list(states)
    shares_S = torch.tensor([float(samples[site]) for site in sites], dtype=torch.float64)
    if not sites or not bool((shares_S >= 0).all()) or not float(shares_S.sum()) > 0:
        raise ConfigError(
            f"sites with {dict(samples)} training images",
            expected="at least one site with images",
            fix="correct the sites' folders",
        )
    check_alike(states)
    shares_S = shares_S / shares_S.sum()
    mean: State = {}
    for name, first in states[sites[0]].items():
        stacked_S = torch.stack([states[site][name].detach().to("cpu") for site in sites])
        if not first.is_floating_point():
            mean[name] = stacked_S.amax(0)
            continue
        for site, finite in zip(sites, torch.isfinite(stacked_S).flatten(1).all(1).tolist(), strict=True):
            if not finite:
                raise TrainingError(
                    f"{site} sends weights that are not finite ({name})",
                    expected="finite numbers",
                    fix="look at that site's images with `python -m shared doctor`, or lower learning_rate",
                )
        mean[name] = torch.tensordot(shares_S, stacked_S.double(), dims=1).to(first.dtype)
    return mean


def check_alike(states: Mapping[str, Mapping[str, Tensor]]) -> None:
    """Raise `CheckpointError` unless all sites have the same names and shapes."""
    sites = list(states)
    shapes = {site: {name: tuple(value.shape) for name, value in states[site].items()} for site in sites}
    for site in sites[1:]:
        if differing := sorted({name for name, _ in shapes[site].items() ^ shapes[sites[0]].items()}):
            raise CheckpointError(
                f"{site} and {sites[0]} train different networks; they differ in {', '.join(differing[:3])}",
                expected="the same bundle, overlays and keys at all sites",
                fix="give all sites the same tasks, classes, backbone and sizes",
            )


def weighted_mean(values: Sequence[float], weights: Sequence[float]) -> float:
    """Mean of the finite values; NaN where there is none."""
    pairs = [(value, weight) for value, weight in zip(values, weights, strict=True) if value == value]
    total = sum(weight for _, weight in pairs)
    return sum(value * weight for value, weight in pairs) / total if total else float("nan")
