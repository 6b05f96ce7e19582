"""Inference by configuration: a file, a folder, a data set; the photograph's own size; windows."""

import csv
import json
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from shared.errors import CheckpointError, DataError
from tests.support.bundle import run, workflow
from tests.support.errors import fails_with
from tests.support.fundus import draw_fundus

NAME = "fundus_od_unet"
KEYS = ("image_size", "channels", "amp", "device")


@pytest.fixture
def keys(tiny, tmp_path):
    """Overrides of an inference run with untrained weights of disc and cup."""
    keys = {key: tiny[key] for key in KEYS} | {"classes": ["disc", "cup"]}
    flow = workflow(NAME, "inference", workflow_type="infer", dataset_dir=tiny["dataset_dir"], **keys)
    flow.initialize()
    path = tmp_path / "models" / "model.pt"
    path.parent.mkdir()
    torch.save(flow.parser.get_parsed_content("network_def").state_dict(), path)
    return keys | {
        "ckpt_path": str(path),
        "output_dir": str(tmp_path / "out"),
        "dataset_dir": tiny["dataset_dir"],
        "tracking_uri": tiny["tracking_uri"],
    }


def infer(keys, **more):
    return run(NAME, "inference", workflow_type="infer", **keys | more)


def table(path):
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def test_a_data_set(keys, tmp_path, capsys):
    infer(keys)
    rows = table(tmp_path / "out" / "summary.csv")
    assert len(rows) == 16
    assert {row["view"] for row in rows} == {"left of two"}
    assert {(row["eye"], row["eye_told_by"]) for row in rows} == {("left", "the data set"), ("right", "the data set")}
    photograph = Path(rows[0]["photograph"])
    with Image.open(photograph) as picture, Image.open(tmp_path / "out/masks" / f"{rows[0]['name']}_disc.png") as mask:
        assert mask.size == (picture.size[0] // 2, picture.size[1])
    assert "photographs read" in capsys.readouterr().out


def test_a_folder_of_photographs_of_any_size(keys, tmp_path):
    folder = tmp_path / "photos"
    folder.mkdir()
    Image.fromarray(draw_fundus(178, 268)).save(folder / "one_OD.png")
    Image.fromarray(draw_fundus(240, 200, seed=1)).save(folder / "two.jpg")
    Image.fromarray(np.zeros((100, 150, 3), np.uint8)).save(folder / "black.png")
    infer(keys, dataset_dir=str(folder))
    out = tmp_path / "out"
    found = {file.stem: json.loads(file.read_text()) for file in (out / "json").iterdir()}
    assert {name: (item["height"], item["width"]) for name, item in found.items()} == {
        "one_OD": (178, 268),
        "two": (240, 200),
    }
    assert found["one_OD"]["eye"] == {"eye": "right", "told_by": "the name"}
    assert all((out / file).is_file() for item in found.values() for file in item["files"].values())
    (refused,) = table(out / "refused.csv")
    assert refused["photograph"].endswith("black.png")


def test_windows_see_what_the_whole_canvas_shows(keys, tmp_path):
    """One window as large as the canvas gives the same maps; smaller ones run as well."""
    Image.fromarray(draw_fundus(178, 268)).save(tmp_path / "eye.png")
    maps = []
    for window in (None, [64, 48], [32, 32]):
        flow = infer(keys, dataset_dir=str(tmp_path / "eye.png"), window=window)
        maps.append(flow.parser.get_parsed_content("evaluator").state.output[0]["pred"])
    assert maps[0].shape == maps[2].shape == (3, 178, 268)
    assert torch.allclose(maps[0], maps[1], atol=1e-5)
    assert not torch.allclose(maps[0], maps[2], atol=1e-3)


def test_what_cannot_be_inferred_says_why(keys):
    for more, kind, text in (
        ({"dataset_dir": "nowhere"}, DataError, "does not exist"),
        ({"ckpt_path": "nowhere/model.pt"}, CheckpointError, "--ckpt_path"),
        ({"classes": ["disc"]}, CheckpointError, "another architecture"),
    ):
        with fails_with(kind, text):
            infer(keys, **more)
