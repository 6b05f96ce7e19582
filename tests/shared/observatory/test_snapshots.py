"""Snapshots of a run, and the run read back."""

from __future__ import annotations

import json
import shutil
import sys
from pathlib import Path

import pytest
import torch
from ignite.engine import Engine

from shared.errors import CheckpointError, ConfigError, DataError
from shared.observatory import SnapshotSaver, open_run
from shared.observatory.snapshots import load_images, load_snapshots
from shared.workflow.enter import forget_scripts


def test_a_run_has_its_weights_of_every_epoch_and_labelled_images(run_folder: Path) -> None:
    snapshots = load_snapshots(run_folder)
    assert [snapshot.epoch for snapshot in snapshots] == [0, 1, 2, 3, 4]
    names = [name for name in snapshots[0].state if name.endswith("running_mean")]
    assert not snapshots[0].state[names[0]].any()
    assert snapshots[4].state[names[0]].any()
    batches = load_images(run_folder, batch_size=2)
    assert [(x.shape, y.shape) for x, y in batches] == [
        ((2, 1, 16, 16), (2, 1, 16, 16)),
        ((1, 1, 16, 16), (1, 1, 16, 16)),
    ]


def test_the_opened_run_computes_what_its_last_weights_do(run_folder: Path) -> None:
    run = open_run(run_folder, batch_size=2, device="cpu")
    assert (run.num_classes, len(run.snapshots), len(run.batches)) == (2, 5, 2)
    image, label = run.batches[0]
    last, first = (float((run.show(run.snapshots[k])(image).argmax(1) == label[:, 0]).float().mean()) for k in (-1, 0))
    assert last > max(first, 0.8)
    for name, value in run.weights(run.snapshots[2]).items():
        assert torch.equal(value, run.snapshots[2].state[name])


def test_a_fresh_run_in_an_old_folder_and_one_that_goes_on(tmp_path: Path) -> None:
    network = torch.nn.Linear(1, 1)
    items = [{"image": torch.zeros(1, 2, 2), "label": torch.zeros(1, 2, 2)}]

    def train(epochs: int, *, state: dict | None = None) -> list[int]:
        engine = Engine(lambda engine, batch: None)
        SnapshotSaver(network=network, dataset=items, output_dir=tmp_path, interval=2).attach(engine)
        if state:
            engine.load_state_dict(state)
        engine.run([0], max_epochs=epochs)
        return [snapshot.epoch for snapshot in load_snapshots(tmp_path)]

    assert train(6) == [0, 2, 4, 6]
    assert train(3) == [0, 2]
    assert train(6, state={"epoch": 3, "epoch_length": 1, "max_epochs": 6}) == [0, 2, 3, 4, 6]


def test_weights_within_an_epoch_are_not_called_that_epochs(tmp_path: Path) -> None:
    network = torch.nn.Linear(1, 1, bias=False)
    items = [{"image": torch.zeros(1, 2, 2), "label": torch.zeros(1, 2, 2)}]
    for state in ({"epoch": 1, "epoch_length": 2, "max_epochs": 2}, {"iteration": 3, "epoch_length": 2}):
        torch.nn.init.constant_(network.weight, 3.0 if "iteration" in state else 1.0)
        engine = Engine(lambda engine, batch: None)
        SnapshotSaver(network=network, dataset=items, output_dir=tmp_path).attach(engine)
        engine.load_state_dict({"max_epochs": 2} | state)
        engine.run([0, 0], max_epochs=2)
    saved = {snapshot.epoch: float(snapshot.state["weight"]) for snapshot in load_snapshots(tmp_path)}
    assert saved == {1: 1.0, 2: 3.0}


def test_a_run_without_snapshots_says_which_key_to_set(run_folder: Path, tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text("{}")
    with pytest.raises(DataError, match=r"(?s)has no snapshots.*train#handlers"):
        open_run(tmp_path)
    with pytest.raises(DataError, match="give the run's output_dir"):
        open_run(tmp_path / "nowhere")
    copy = shutil.copytree(run_folder, tmp_path / "copy")
    (copy / "snapshots" / "images.pt").unlink()
    with pytest.raises(DataError, match=r"(?s)no snapshots/images.pt.*train#handlers"):
        open_run(copy)


def test_networks_of_other_shapes_and_outputs(run_folder: Path, tmp_path: Path) -> None:
    copy = shutil.copytree(run_folder, tmp_path / "copy")
    config = json.loads((copy / "config.json").read_text())
    (copy / "config.json").write_text(json.dumps(config | {"num_classes": 3}))
    with pytest.raises(CheckpointError):
        open_run(copy, device="cpu")
    flat = {"network_def": {"_target_": "torch.nn.Flatten"}}
    (copy / "config.json").write_text(json.dumps(flat))
    for file in (copy / "snapshots").glob("epoch_*.pt"):
        torch.save({}, file)
    with pytest.raises(ConfigError, match=r"returns \[3, 256\]"):
        open_run(copy, device="cpu")


def test_a_network_of_a_bundles_own_scripts(run_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "path", list(sys.path))
    monkeypatch.setattr("shared.observatory.run.REPOSITORY", tmp_path)
    copy = shutil.copytree(run_folder, tmp_path / "copy")
    config = json.loads((copy / "config.json").read_text())
    network = config["network_def"] | {"_target_": "scripts.mine.make"}
    (copy / "config.json").write_text(json.dumps(config | {"network_def": network}))
    with pytest.raises(ConfigError, match="of unknown name"):
        open_run(copy, device="cpu")
    (copy / "run.json").write_text(json.dumps({"bundle": "discs"}))
    with pytest.raises(ConfigError, match="the bundle discs that wrote"):
        open_run(copy, device="cpu")
    for name, text in {
        "configs/metadata.json": "{}",
        "scripts/__init__.py": "",
        "scripts/mine.py": "from monai.networks.nets import UNet as make\n",
    }.items():
        (tmp_path / "bundles" / "discs" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "bundles" / "discs" / name).write_text(text)
    try:
        run, own = (open_run(folder, device="cpu") for folder in (copy, run_folder))
    finally:
        forget_scripts()
    assert torch.equal(run.network(run.batches[0][0]), own.network(own.batches[0][0]))


def test_a_dataset_without_labels(tmp_path: Path) -> None:
    for items in ([{"image": torch.zeros(1, 2, 2)}], [{"image": torch.zeros(1), "label": 0, "labelled": False}]):
        engine = Engine(lambda engine, batch: None)
        SnapshotSaver(network=torch.nn.Linear(1, 1), dataset=items, output_dir=tmp_path).attach(engine)
        with pytest.raises(DataError, match="a segmentation data set"):
            engine.run([0], max_epochs=1)
