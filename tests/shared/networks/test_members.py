import json
import logging

import pytest
import torch

from shared.errors import CheckpointError
from shared.networks.members import unet_members
from shared.networks.side_by_side import SideBySide
from shared.networks.unet import SegmentationUNet

SETTINGS = {"in_channels": 1, "num_classes": 2, "image_size": [32, 32], "classes": ["fluid"]}
ARGUMENTS = {"backbone": "resnet10_narrow", "in_channels": 1, "num_classes": 2}


def save(folder, name, backbone, **facts):
    torch.manual_seed(len(name))
    network = SegmentationUNet(**(ARGUMENTS | {"backbone": backbone})).eval()
    folder.mkdir(exist_ok=True)
    torch.save(network.state_dict(), folder / f"{name}.pt")
    settings = SETTINGS | {"backbone": backbone} | facts.pop("settings", {})
    (folder / "model.json").write_text(json.dumps({"settings": settings} | facts))
    return network


def test_members_of_different_encoders(tmp_path, caplog):
    networks = {
        "one": save(tmp_path / "a", "model", "resnet10_narrow", dataset="RETOUCH"),
        "two": save(tmp_path / "b", "teacher", "resnet10", phantom=True),
    }
    checkpoints = {"one": tmp_path / "a/model.pt", "two": tmp_path / "b/teacher.pt"}
    with caplog.at_level(logging.INFO):
        members = unet_members(checkpoints, settings=SETTINGS | {"backbone": "resnet50"}, **ARGUMENTS)
    assert "dataset RETOUCH" in caplog.text
    assert "two was trained on PHANTOMS" in caplog.text
    together = SideBySide(members=members).eval()
    image = torch.rand(1, 1, 32, 32)
    with torch.no_grad():
        for name, logits in together(image).items():
            torch.testing.assert_close(logits, networks[name](image))


def test_a_member_of_other_settings_and_an_absent_one(tmp_path):
    save(tmp_path, "model", "resnet10_narrow", settings={"image_size": [64, 64]})
    with pytest.raises(CheckpointError, match="image_size"):
        unet_members({"one": tmp_path / "model.pt"}, settings=SETTINGS, **ARGUMENTS)
    members = unet_members({"one": tmp_path / "other/model.pt"}, **ARGUMENTS)
    with pytest.raises(CheckpointError, match="no checkpoint"):
        SideBySide(members=members)
