"""The commands: what they refuse before any work, and that a difference writes nothing."""

import builtins
import json

import pytest
import torch

from shared.__main__ import main
from shared.errors import CheckpointError, ConfigError, DataError, ExportError
from shared.export import command
from shared.export.command import export, parse_formats
from shared.export.latency import latency
from shared.export.trained import Trained
from shared.networks import MultiTaskNetwork, make_disc_unet
from tests.support.bundle import REPOSITORY
from tests.support.tiny import read_config

DISCS = str(REPOSITORY / "bundles" / "fundus_od_unet")
IDRID = str(REPOSITORY / "bundles" / "idrid_moe_mtl")
THIN = {"channels": [2, 2, 2, 2, 2], "image_size": [64, 48]}


@pytest.fixture
def model(tmp_path):
    """Weights of a thin U-Net with a cup, and what is recorded beside them."""
    torch.manual_seed(0)
    path = tmp_path / "models" / "model.pt"
    path.parent.mkdir()
    torch.save(make_disc_unet("padded", num_classes=3, channels=THIN["channels"]).state_dict(), path)
    facts = {"settings": THIN | {"classes": ["disc", "cup"]}, "config_files": ["train.json", "cup.json"]}
    path.with_suffix(".json").write_text(json.dumps(facts))
    return path


def test_overlays_and_settings_are_those_of_the_weights(model, tmp_path):
    import onnx

    main(["export", DISCS, "--ckpt_path", str(model), "--output_dir", str(tmp_path / "out"), "--formats", "onnx"])
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["model.onnx"]
    props = {item.key: json.loads(item.value) for item in onnx.load(tmp_path / "out" / "model.onnx").metadata_props}
    assert props["classes"] == ["disc", "cup"]
    assert props["outputs"][0]["channels"] == ["background", "disc", "cup"]
    assert props["normalisation"] == [
        {"_target_": "ScaleIntensityRanged", "a_min": 0, "a_max": 255, "b_min": 0, "b_max": 1}
    ]
    assert props["input"] == {
        "name": "image",
        "channels": 3,
        "dtype": "float32",
        "sides_divisible_by": 1,
        "size_in_training": [64, 48],
    }


def test_a_difference_writes_nothing_and_keeps_what_was_there(model, tmp_path, monkeypatch):
    before = tmp_path / "out" / "model.ts"
    before.parent.mkdir()
    before.write_text("before")
    run_torchscript = command.run_torchscript

    def noisy(content):
        run = run_torchscript(content)
        return lambda image: {name: value + 0.01 for name, value in run(image).items()}

    monkeypatch.setattr(command, "run_torchscript", noisy)
    with pytest.raises(ExportError, match=r"model\.ts differs from the network by 0\.01"):
        export(DISCS, ckpt_path=str(model), output_dir=str(tmp_path / "out"))
    assert before.read_text() == "before"
    assert [path.name for path in before.parent.iterdir()] == ["model.ts"]
    export(DISCS, ckpt_path=str(model), output_dir=str(tmp_path / "out"), formats="torchscript", tolerance=0.02)
    assert before.read_bytes()[:2] == b"PK"


def test_bad_requests_are_named_before_any_work(model, tmp_path):
    good = {"ckpt_path": str(model), "output_dir": str(tmp_path / "out")}
    with pytest.raises(ConfigError, match=r"'onxn'(?s:.*)did you mean 'onnx'"):
        export(DISCS, formats="onxn", **good)
    with pytest.raises(ConfigError, match="formats is ''"):
        parse_formats("")
    with pytest.raises(ConfigError, match="exporter is 'tracing'"):
        export(DISCS, exporter="tracing", **good)
    with pytest.raises(ConfigError, match="no experts to dispatch"):
        export(DISCS, dispatch="dense", **good)
    with pytest.raises(ConfigError, match=r"--dispatch sparse for ONNX"):
        export(DISCS, dispatch="sparse", **good)
    with pytest.raises(ConfigError, match=r"--image_size is 64(?s:.*)rows and columns"):
        export(DISCS, image_size=64, **good)
    with pytest.raises(DataError, match="nothing_here"):
        export(DISCS, check_images=str(tmp_path / "nothing_here"), formats="torchscript", **good)
    with pytest.raises(CheckpointError, match="no weights at"):
        export(DISCS, ckpt_path=str(tmp_path / "none.pt"))
    with pytest.raises(ConfigError, match="is no bundle"):
        export(str(tmp_path))
    with pytest.raises(ConfigError, match=r"at least 6 repeats"):
        latency(DISCS, ckpt_path=str(model), repeats=3)
    assert not (tmp_path / "out").exists()


def test_weights_of_another_network_are_refused(model, tmp_path):
    torch.save(make_disc_unet("padded", channels=[4, 4]).state_dict(), model)
    with pytest.raises(CheckpointError, match="another architecture"):
        export(DISCS, ckpt_path=str(model), output_dir=str(tmp_path / "out"))
    assert not (tmp_path / "out").exists()


def test_an_absent_package_is_named_and_torchscript_does_without(model, tmp_path, monkeypatch):
    import importlib

    def absent(name, *more):
        if name.startswith("onnx"):
            raise ImportError(name)
        return builtins.__import__(name, *more)

    monkeypatch.setattr(importlib, "import_module", absent)
    with pytest.raises(ConfigError, match=r"onnx is not installed(?s:.*)monai-eye-bundles\[export\]"):
        export(DISCS, ckpt_path=str(model), output_dir=str(tmp_path / "out"))
    assert not (tmp_path / "out").exists()
    export(DISCS, ckpt_path=str(model), output_dir=str(tmp_path / "out"), formats="torchscript")
    assert (tmp_path / "out" / "model.ts").is_file()


@pytest.mark.real
def test_a_real_photograph_is_compared_too(real_idrid, tmp_path, capsys):
    """Random weights route the photographs of IDRiD, loaded as inference.json loads them."""
    torch.manual_seed(0)
    settings = {"backbone": "resnet18", "num_experts": 2, "image_size": [224, 272]}
    tasks = read_config("idrid_moe_mtl", "inference")["tasks"]
    network = MultiTaskNetwork(tasks=tasks, backbone="resnet18", num_experts=2)
    model = tmp_path / "model.pt"
    torch.save(network.state_dict(), model)
    model.with_suffix(".json").write_text(json.dumps({"settings": settings}))
    photograph = sorted(real_idrid.rglob("*.jpg"))[0]
    export(IDRID, ckpt_path=str(model), output_dir=str(tmp_path / "out"), check_images=str(photograph))
    assert capsys.readouterr().out.count(f"largest difference on {photograph.name}, image 1") == 2
    assert Trained(IDRID, ckpt_path=str(model)).network(dispatch="dense").sparse is False
