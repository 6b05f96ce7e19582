"""Soft sharing through the bundle: trained by losses and by gradients, stored, loaded by evaluation and inference."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch

from shared.networks import SharingNetwork
from tests.support.bundle import run

NAME = "pets_mtl"


@pytest.mark.parametrize(
    ("sharing", "backbone", "weighting"),
    [("cross_stitch", "unet", "upgrad"), ("moe", "resnet10_narrow", "uncertainty")],
)
def test_soft_sharing_trains_and_its_weights_serve(
    sharing: str, backbone: str, weighting: str, tiny: dict[str, Any], tmp_path: Path
) -> None:
    chosen = {"sharing": sharing, "backbone": backbone}
    flow = run(NAME, "train", **tiny | chosen | {"weighting": weighting, "learning_rate": 0.003})
    network = flow.parser.get_parsed_content("network")
    assert isinstance(network, SharingNetwork)
    mixing = [*network.gates.parameters()] or [stitch.weights for stitch in network.encoder.stitches]
    optimised = {
        id(parameter)
        for group in flow.parser.get_parsed_content("optimizer").param_groups
        for parameter in group["params"]
    }
    assert mixing
    assert {id(parameter) for parameter in mixing} <= optimised
    for stitch in getattr(network.encoder, "stitches", []):
        assert float((torch.diagonal(stitch.weights) - 0.9).abs().max()) > 1e-4
    facts = json.loads((tmp_path / "models" / "model.json").read_text())
    assert (facts["sharing"], facts["backbone"]) == (sharing, backbone)
    names = ("image_size", "channels", "amp", "device", "tracking_uri")
    keys = {name: tiny[name] for name in names} | chosen | {"ckpt_path": str(tmp_path / "models" / "model.pt")}
    picture = next(Path(tiny["dataset_dir"]).glob("images/*dog*.jpg"))
    run(
        NAME,
        "inference",
        workflow_type="infer",
        dataset_dir=str(picture),
        output_dir=str(tmp_path / "out"),
        **keys,
    )
    content = json.loads((tmp_path / "out" / "json" / f"{picture.stem}.json").read_text())
    assert {"masks", "classes"} <= content.keys()
