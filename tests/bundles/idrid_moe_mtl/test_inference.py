"""Inference on any photographs: files written, sizes kept, others refused."""

import csv
import json

import numpy as np
import pytest
import torch
from PIL import Image

from shared.errors import DataError
from tests.support.bundle import run, workflow
from tests.support.errors import fails_with

KEYS = ["image_size", "backbone", "num_experts", "amp", "device"]


@pytest.fixture
def keys(tiny, tmp_path):
    """Overrides of an inference run with untrained weights."""
    keys = {key: tiny[key] for key in KEYS}
    flow = workflow("idrid_moe_mtl", "inference", workflow_type="infer", dataset_dir=tiny["dataset_dir"], **keys)
    flow.initialize()
    (tmp_path / "models").mkdir()
    path = tmp_path / "models" / "model.pt"
    torch.save(flow.parser.get_parsed_content("network_def").state_dict(), path)
    return keys | {"ckpt_path": str(path), "output_dir": str(tmp_path / "out")}


@pytest.fixture
def photograph(phantom_idrid):
    return next((phantom_idrid / "A. Segmentation" / "1. Original Images" / "b. Testing Set").iterdir())


def infer(keys, dataset_dir, **more):
    return run("idrid_moe_mtl", "inference", workflow_type="infer", dataset_dir=str(dataset_dir), **keys | more)


def test_a_single_file(keys, photograph, tmp_path):
    infer(keys, photograph)
    out, name = tmp_path / "out", photograph.stem
    for task in ("MA", "HE", "EX", "SE", "OD"):
        with Image.open(out / "masks" / f"{name}_{task}.png") as mask:
            assert mask.size == (268, 178)
            assert set(np.unique(np.asarray(mask.convert("L")))) <= {0, 255}
    content = json.loads((out / "json" / f"{name}.json").read_text())
    assert sum(content["grades"]["RG"]["probabilities"]) == pytest.approx(1, abs=1e-4)
    assert set(content["lesions"]) == {"MA", "HE", "EX", "SE"}
    assert {"count", "area_px", "retina_share"} == set(content["lesions"]["MA"])
    assert {"centre_x", "centre_y", "diameter_px"} == set(content["optic_disc"])
    assert set(content["experts"]) == {"RG", "MER", "MA", "HE", "EX", "SE", "OD"}
    assert (out / "overlays" / f"{name}.jpg").stat().st_size > 2000


def test_inference_is_a_run_like_others(keys, photograph, tmp_path, home):
    from mlflow import MlflowClient

    infer(keys, photograph, run_name="a-run")
    client = MlflowClient(f"sqlite:///{home}/runs/mlflow.db")
    (experiment,) = [item for item in client.search_experiments() if item.name == "idrid_moe_mtl"]
    (record,) = client.search_runs(experiment.experiment_id)
    assert (record.info.run_name, record.info.status) == ("inference-a-run", "FINISHED")
    assert record.data.metrics["photographs_read"] == 1
    assert record.data.metrics["photographs_refused"] == 0
    assert record.data.metrics["seconds_per_photograph"] > 0
    assert record.data.params["num_experts"] == "2"
    assert "network" not in record.data.params
    files = {item.path for item in client.list_artifacts(record.info.run_id)}
    assert {"summary.csv", "run.json", "config.json", "overlays"} <= files
    assert json.loads((tmp_path / "out" / "run.json").read_text())["run_name"] == "a-run"


def test_a_folder_of_all_kinds(keys, photograph, tmp_path, capsys):
    folder = tmp_path / "photos"
    (folder / "sub").mkdir(parents=True)
    with Image.open(photograph) as picture:
        pixels = np.asarray(picture)
    Image.fromarray(pixels).save(folder / "eye.PNG")
    Image.fromarray(pixels).save(folder / "sub" / "eye.png")
    Image.fromarray(np.pad(pixels, ((30, 30), (0, 0), (0, 0)))).save(folder / "tall.tif")
    Image.fromarray(pixels).convert("RGBA").save(folder / "alpha.png")
    Image.fromarray(np.zeros_like(pixels)).save(folder / "black.png")
    noise = np.random.default_rng(0).integers(0, 255, pixels.shape, dtype=np.uint8)
    Image.fromarray(noise).save(folder / "noise.png")
    Image.fromarray(pixels[:60, :60]).save(folder / "small.png")
    (folder / "half.jpg").write_bytes(photograph.read_bytes()[:3000])
    (folder / "empty.jpg").write_bytes(b"")
    (folder / "notes.txt").write_text("no picture")
    infer(keys, folder)
    out = tmp_path / "out"
    with (out / "summary.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 4
    with (out / "refused.csv").open() as file:
        refused = {row["photograph"].split("/")[-1]: row["reason"] for row in csv.DictReader(file)}
    assert set(refused) == {"black.png", "noise.png", "small.png", "half.jpg", "empty.jpg"}
    assert all(len(reason) > 10 for reason in refused.values())
    with Image.open(out / "masks" / "tall_OD.png") as mask:
        assert mask.size == (268, 178 + 60)
    assert "refused" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("make", "text"),
    [
        (lambda folder: folder / "absent", "does not exist"),
        (lambda folder: folder, "holds no picture"),
        (lambda folder: black(folder), "none of 1 pictures is a fundus photograph"),
    ],
    ids=["absent", "empty", "refused"],
)
def test_nothing_to_read_is_an_error(keys, tmp_path, make, text):
    folder = tmp_path / "photos"
    folder.mkdir()
    with fails_with(DataError, text):
        infer(keys, make(folder))


def black(folder):
    path = folder / "black.png"
    Image.new("RGB", (300, 200)).save(path)
    return path


def test_windows_give_the_whole_photographs_masks(keys, photograph, tmp_path):
    inferer = {
        "_target_": "shared.inferers.AutocastInferer",
        "amp": False,
        "inferer": {
            "_target_": "shared.inferers.MultiTaskSlidingWindowInferer",
            "roi_size": [64, 64],
            "overlap": 0.25,
            "mode": "gaussian",
        },
    }
    flow = infer(keys, photograph, inferer=inferer, image_size=[160, 192])
    assert flow.parser.get_parsed_content("evaluator").state.output[0]["pred"].shape == (5, 178, 268)
    assert (tmp_path / "out" / "summary.csv").is_file()
