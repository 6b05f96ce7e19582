"""Evaluation of a trained model: the splits, the sizes, any subset of the tasks, what is refused."""

import csv
import json

import numpy as np
import pytest
import torch
from PIL import Image

from shared.errors import CheckpointError, ConfigError, DataError
from tests.support.bundle import run, workflow
from tests.support.errors import fails_with
from tests.support.measured import compare_measured

PET = {"name": "pet", "kind": "mask"}
SPECIES = {"name": "species", "kind": "grade", "num_classes": 2}
BREED = {"name": "breed", "kind": "grade", "num_classes": 37}
BOX = {"name": "box", "kind": "box"}


@pytest.fixture
def keys(tiny, tmp_path):
    """Overrides of an evaluation."""
    places = {"ckpt_path": str(tmp_path / "models" / "model.pt"), "output_dir": str(tmp_path / "evaluation")}
    return tiny | places | {"bootstrap_samples": 20}


@pytest.fixture
def trained(tiny, keys):
    """Overrides that evaluate a model trained for one short epoch."""
    run("pets_mtl", "train", **tiny | {"max_epochs": 1, "batches_per_epoch": 2})
    return keys


def evaluate(keys, **more):
    return run("pets_mtl", "train", "evaluate", **keys | more)


def untrained(keys, tmp_path, **more):
    """Weights as they begin."""
    flow = workflow("pets_mtl", "train", "evaluate", **keys | more)
    flow.initialize()
    (tmp_path / "models").mkdir()
    torch.save(flow.parser.get_parsed_content("network_def").state_dict(), keys["ckpt_path"])


def rows_of(folder):
    with (folder / "metrics.csv").open() as file:
        return {(row["task"], row["metric"]): row for row in csv.DictReader(file)}


def test_every_measure_at_the_images_own_size_and_images_trained_on_are_refused(trained, tmp_path, capsys, caplog):
    flow = evaluate(trained, split="validation")
    rows = rows_of(tmp_path / "evaluation")
    wanted = {"dice", "iou", "dice_per_photograph", "iou_per_photograph", "ece", "brier", "nll"}
    assert wanted <= {metric for task, metric in rows if task == "pet"}
    wanted = {"accuracy", "balanced_accuracy", "macro_f1", "ece", "brier", "nll"}
    assert wanted <= {metric for task, metric in rows if task == "species"}
    assert {"box_iou", "box_accuracy_50", "box_accuracy_75"} == {metric for task, metric in rows if task == "box"}
    assert {row["border"] for row in rows.values()} == {"pet"}
    state = flow.parser.get_parsed_content("validate#evaluator").state
    size = tuple(state.batch[0]["photo_size"].tolist())
    assert size != (64, 64)
    assert state.output[0]["pred"].shape == (1, *size)
    assert "PHANTOM DATA" in capsys.readouterr().out
    assert (tmp_path / "evaluation" / "figures" / "best.png").is_file()
    undeclared, unwritten = compare_measured("pets_mtl", tmp_path / "evaluation", stage="evaluation")
    assert not undeclared
    assert all("breed" in column for column in unwritten)

    split = json.loads((tmp_path / "models" / "split.json").read_text())
    scored = {row["name"] for row in csv.DictReader((tmp_path / "evaluation" / "per_photograph.csv").open())}
    assert scored == set(split["parts"]["validation"])
    with fails_with(DataError, "same picture, were trained on"):
        evaluate(trained, split="validation", split_seed=1)
    (tmp_path / "models" / "split.json").unlink()
    evaluate(trained, split="validation", split_seed=1, bootstrap_samples=0)
    assert "is not checked" in caplog.text
    with fails_with(CheckpointError, "border pet"):
        evaluate(trained, split="validation", border="ignored")


def test_numbers_are_those_of_the_files(keys, tmp_path):
    """Dice and box overlap again, from the engine's last image, its trimap and its XML file."""
    from xml.etree import ElementTree

    untrained(keys, tmp_path)
    flow = evaluate(keys, split="validation", bootstrap_samples=0)
    state = flow.parser.get_parsed_content("validate#evaluator").state
    with (tmp_path / "evaluation" / "per_photograph.csv").open() as file:
        rows = {row["name"]: row for row in csv.DictReader(file)}
    row = rows[state.batch[0]["name"]]
    folder = flow.parser.get_parsed_content("dataset_root")
    trimap = np.asarray(Image.open(f"{folder}/annotations/trimaps/{row['name']}.png"))
    found, truth = np.asarray(state.output[0]["pred"][0]) > 0.5, trimap != 2
    assert float(row["pet_dice"]) == pytest.approx(2 * (found & truth).sum() / (found.sum() + truth.sum()))
    known = [row for row in rows.values() if row["box_iou"]]
    assert known
    for row in known:
        drawn = ElementTree.parse(f"{folder}/annotations/xmls/{row['name']}.xml").find("object/bndbox")
        xmin, ymin, xmax, ymax = (float(drawn.findtext(edge)) for edge in ("xmin", "ymin", "xmax", "ymax"))
        left, top, right, bottom = (float(row[f"box_{edge}"]) for edge in ("left", "top", "right", "bottom"))
        width = max(0, min(right, xmax) - max(left, xmin - 1))
        height = max(0, min(bottom, ymax) - max(top, ymin - 1))
        areas = (right - left) * (bottom - top) + (xmax - xmin + 1) * (ymax - ymin + 1)
        assert float(row["box_iou"]) == pytest.approx(width * height / (areas - width * height), abs=0.02)


@pytest.mark.parametrize("tasks", [[PET], [BOX], [SPECIES, BREED]], ids=["mask", "box", "classes"])
def test_any_subset_of_tasks(keys, tmp_path, tasks):
    untrained(keys, tmp_path, tasks=tasks)
    evaluate(keys, tasks=tasks, split="validation")
    assert {task for task, _ in rows_of(tmp_path / "evaluation")} - {"species+breed"} == {t["name"] for t in tasks}


def test_an_ignored_border_is_named_and_counts_nowhere(keys, tmp_path):
    untrained(keys, tmp_path)
    truths = {}
    for border in ("pet", "ignored"):
        evaluate(keys, border=border, split="validation", output_dir=str(tmp_path / border), bootstrap_samples=0)
        assert {row["border"] for row in rows_of(tmp_path / border).values()} == {border}
        with (tmp_path / border / "per_photograph.csv").open() as file:
            truths[border] = [int(row["pet_truth_px"]) for row in csv.DictReader(file) if row["pet_truth_px"]]
    assert all(ignored < pet for ignored, pet in zip(truths["ignored"], truths["pet"], strict=True))


@pytest.mark.parametrize(
    ("more", "kind", "text"),
    [
        ({"split": "exam"}, ConfigError, "training, validation, test"),
        ({"ckpt_path": "nowhere/model.pt"}, CheckpointError, "--ckpt_path"),
    ],
    ids=["split", "absent"],
)
def test_what_cannot_be_evaluated_says_why(keys, more, kind, text):
    with fails_with(kind, text):
        evaluate(keys, **more)
