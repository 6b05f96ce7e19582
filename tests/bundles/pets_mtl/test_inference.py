"""Inference on any pictures: files written, sizes and orientation kept, what cannot be read refused."""

import csv
import json

import numpy as np
import pytest
import torch
from PIL import Image

from shared.errors import DataError
from tests.support.bundle import run, workflow
from tests.support.errors import fails_with

KEYS = ["image_size", "channels", "amp", "device", "tracking_uri"]
ORIENTATION = 274


@pytest.fixture
def keys(tiny, tmp_path):
    """Overrides of an inference run with untrained weights."""
    keys = {key: tiny[key] for key in KEYS} | {"ckpt_path": str(tmp_path / "models" / "model.pt")}
    save_weights(keys, tiny["dataset_dir"], tmp_path)
    return keys | {"output_dir": str(tmp_path / "out")}


def save_weights(keys, dataset_dir, tmp_path, **more):
    flow = workflow("pets_mtl", "inference", workflow_type="infer", dataset_dir=dataset_dir, **keys | more)
    flow.initialize()
    (tmp_path / "models").mkdir(exist_ok=True)
    torch.manual_seed(0)
    torch.save(flow.parser.get_parsed_content("network_def").state_dict(), keys["ckpt_path"])


@pytest.fixture
def picture(phantoms_of):
    return phantoms_of("pets_mtl") / "images" / "phantom_dog_2_3.jpg"


def infer(keys, dataset_dir, **more):
    return run("pets_mtl", "inference", workflow_type="infer", dataset_dir=str(dataset_dir), **keys | more)


def summary(folder):
    with (folder / "summary.csv").open() as file:
        return {row["name"]: row for row in csv.DictReader(file)}


def test_a_single_file(keys, picture, tmp_path):
    infer(keys, picture)
    out, name = tmp_path / "out", picture.stem
    with Image.open(picture) as original, Image.open(out / "masks" / f"{name}_pet.png") as mask:
        size = original.size
        assert mask.size == size
        area = int(np.asarray(mask).sum())
    content = json.loads((out / "json" / f"{name}.json").read_text())
    assert (content["width"], content["height"]) == size
    assert content["masks"]["pet"]["area_px"] == area
    species = content["classes"]["species"]
    assert species["class"] == max(species["probabilities"], key=species["probabilities"].get)
    assert sum(species["probabilities"].values()) == pytest.approx(1, abs=1e-4)
    box = content["head_box"]
    assert 0 <= box["left"] <= box["right"] <= size[0]
    assert 0 <= box["top"] <= box["bottom"] <= size[1]
    row = summary(out)[name]
    assert row["species"] == species["class"]
    assert float(row["box_right"]) == box["right"]
    assert (out / "overlays" / f"{name}.jpg").stat().st_size > 1000


def test_a_folder_of_all_kinds(keys, picture, tmp_path, capsys):
    folder = tmp_path / "pictures"
    (folder / "sub").mkdir(parents=True)
    with Image.open(picture) as opened:
        image = opened.convert("RGB")
    image.save(folder / "sub" / "rgb.png")
    image.save(folder / "rgb.PNG", format="PNG")
    image.convert("L").save(folder / "grey.jpg")
    image.convert("CMYK").save(folder / "cmyk.jpg")
    image.convert("P").save(folder / "gif_inside.jpg", format="GIF")
    image.convert("RGBA").save(folder / "alpha.png")
    Image.fromarray(np.asarray(image.convert("L")).astype(np.uint16) * 257).save(folder / "deep.png")
    exif = Image.Exif()
    exif[ORIENTATION] = 6
    image.transpose(Image.Transpose.ROTATE_90).save(folder / "turned.png", exif=exif)
    (folder / "half.jpg").write_bytes(picture.read_bytes()[:400])
    (folder / "empty.jpg").write_bytes(b"")
    (folder / "stray.mat").write_bytes(b"MATLAB")
    infer(keys, folder)
    out = tmp_path / "out"
    rows = summary(out)
    assert len(rows) == 8
    assert sum(name.startswith("rgb") for name in rows) == 2
    with (out / "refused.csv").open() as file:
        assert {row["photograph"].split("/")[-1] for row in csv.DictReader(file)} == {"half.jpg", "empty.jpg"}
    # Turned back by its EXIF entry, the picture is the same, and so is what is found in it.
    kept = [key for key in rows["rgb"] if key not in ("name", "photograph")]
    assert {key: rows["turned"][key] for key in kept} == {key: rows["rgb"][key] for key in kept}
    with Image.open(out / "masks" / "turned_pet.png") as mask:
        assert mask.size == image.size
    assert "refused              2" in capsys.readouterr().out


def test_a_data_sets_images_not_its_trimaps(phantoms_of, pets_scripts):
    folder = phantoms_of("pets_mtl")
    from scripts.source import images

    assert images(str(folder), workspace="", phantoms={}) == str(folder / "images")
    assert images(str(folder / "annotations"), workspace="", phantoms={}) == str(folder / "annotations")


@pytest.mark.parametrize(
    "tasks",
    [
        [{"name": "pet", "kind": "mask"}],
        [{"name": "box", "kind": "box"}],
        [{"name": "breed", "kind": "grade", "num_classes": 37}],
    ],
    ids=["mask", "box", "breed"],
)
def test_any_subset_of_tasks(keys, picture, tmp_path, tasks):
    save_weights(keys, str(picture), tmp_path, tasks=tasks)
    infer(keys, picture, tasks=tasks)
    content = json.loads((tmp_path / "out" / "json" / f"{picture.stem}.json").read_text())
    assert (content["height"], content["width"]) != (0, 0)
    assert (set(content["masks"]) | set(content["classes"]) | ({"box"} & {"box" * ("head_box" in content)})) == {
        task["name"] for task in tasks
    }
    assert (tmp_path / "out" / "overlays" / f"{picture.stem}.jpg").is_file()
    if tasks[0]["name"] == "breed":
        assert len(content["classes"]["breed"]["probabilities"]) == 37


@pytest.mark.parametrize(("name", "text"), [("absent", "does not exist"), ("", "holds no picture")])
def test_nothing_to_read_is_an_error(keys, tmp_path, name, text):
    (tmp_path / "pictures").mkdir()
    with fails_with(DataError, text):
        infer(keys, tmp_path / "pictures" / name)
