"""Measures and pictures of an evaluation on pets, from outcomes made by hand."""

import csv
import json

import numpy as np
import pytest
import torch
from PIL import Image

from shared.draw.look import rgb
from shared.errors import DataError
from shared.metrics.outcome import outcome_of
from shared.tasks import parse_tasks

TASKS = parse_tasks(
    [
        {"name": "pet", "kind": "mask"},
        {"name": "species", "kind": "grade", "num_classes": 2},
        {"name": "breed", "kind": "grade", "num_classes": 37},
        {"name": "box", "kind": "box"},
    ]
)
HEIGHT, WIDTH = 60, 90
pytestmark = pytest.mark.usefixtures("pets_scripts")


def outcome(folder, number, *, tasks=TASKS, has_box=True, shift=0.0, right=True):
    """A pet in the middle; what is found is moved by ``shift`` pixels to the right."""
    path = folder / f"pet_{number}.jpg"
    Image.new("RGB", (WIDTH, HEIGHT), (120, 110, 100)).save(path)
    truth, scores = torch.zeros(1, HEIGHT, WIDTH), torch.full((1, HEIGHT, WIDTH), 0.1)
    truth[:, 20:40, 20:60] = 1
    scores[:, 20:40, 20 + int(shift) : 60 + int(shift)] = 0.9
    species = torch.tensor([0.8, 0.2] if right else [0.4, 0.6])
    breeds = torch.full((37,), 0.01)
    breeds[5 if right else 7] = 0.64
    output = {"pred": scores, "species": species, "breed": breeds}
    output["pred_box"] = torch.tensor([30.0 + shift, 10, 50 + shift, 30])
    labelled = {"pet": True, "species": True, "breed": True, "box": has_box}
    batch = {
        "name": path.stem,
        "path": str(path),
        "labelled": torch.tensor([labelled[task.name] for task in tasks]),
        "grades": torch.tensor([{"species": 0, "breed": 5}[task.name] for task in tasks.grades]),
        "photograph_masks": truth,
        "photograph_counted": torch.ones_like(truth),
        "photo_size": torch.tensor([HEIGHT, WIDTH]),
        "box": torch.tensor([30 / WIDTH, 10 / HEIGHT, 50 / WIDTH, 30 / HEIGHT]),
        "has_box": torch.tensor(has_box),
    }
    names = {"pred": tasks.masks, "pred_box": tasks.boxes} | {task.name: [task] for task in tasks.grades}
    return outcome_of({key: value for key, value in output.items() if names.get(key)}, batch, tasks)


def report_of(outcomes, folder, tasks=TASKS, **more):
    from scripts.report import PetReport

    report = PetReport(tasks, output_dir=folder, split="test", border="ignored", **{"samples": 50} | more)
    report.reset()
    for item in outcomes:
        report.add(item)
    report.finish()
    return {(row.task, row.metric): row for row in report.rows}


def iou_by_pixels(box, other, size=(HEIGHT, WIDTH)):
    """Count the pixels of whole-numbered boxes."""
    grids = []
    for left, top, right, bottom in (box, other):
        grid = np.zeros(size, bool)
        grid[int(top) : int(bottom), int(left) : int(right)] = True
        grids.append(grid)
    return (grids[0] & grids[1]).sum() / (grids[0] | grids[1]).sum()


@pytest.mark.parametrize("seed", range(5))
def test_box_overlap_is_that_of_counted_pixels(seed):
    from scripts.box_measures import iou_of

    generator = np.random.default_rng(seed)
    for _ in range(20):
        edges = np.sort(generator.choice(50, (4, 2), replace=True), axis=1) + [[0, 1]] * 4
        box, other = ([x[0], y[0], x[1], y[1]] for x, y in (edges[:2], edges[2:]))
        assert iou_of(box, other) == pytest.approx(iou_by_pixels(box, other))


def test_numbers_by_hand(tmp_path):
    """Shifted by 5: masks share 35 of 45 columns, boxes 15 of 25; by 20: 20 of 60, and nothing."""
    shifts = [0, 5, 20, 0]
    outcomes = [outcome(tmp_path, n, shift=shift, has_box=n != 3, right=n != 2) for n, shift in enumerate(shifts)]
    rows = report_of(outcomes, tmp_path / "out", figures=False)
    dices, ious = [1, 70 / 80, 0.5, 1], [1, 35 / 45, 20 / 60, 1]
    assert rows["pet", "dice_per_photograph"].value == pytest.approx(np.mean(dices))
    assert rows["pet", "iou_per_photograph"].value == pytest.approx(np.mean(ious))
    assert rows["pet", "dice"].value == pytest.approx(np.mean(dices))
    assert rows["box", "box_iou"].value == pytest.approx((1 + 15 / 25 + 0) / 3)
    assert rows["box", "box_iou"].n == 3
    assert rows["box", "box_accuracy_50"].value == pytest.approx(2 / 3)
    assert rows["box", "box_accuracy_75"].value == pytest.approx(1 / 3)
    assert rows["box", "box_iou"].low < rows["box", "box_iou"].value < rows["box", "box_iou"].high
    assert rows["species", "accuracy"].value == pytest.approx(3 / 4)
    assert rows["breed", "accuracy"].value == pytest.approx(3 / 4)
    assert rows["species+breed", "joint_accuracy"].value == pytest.approx(3 / 4)
    assert ("breed", "kappa") not in rows
    assert rows["species", "brier"].value == pytest.approx((3 * 0.08 + 0.72) / 4)


def test_files_name_the_border_and_pictures_show_best_and_worst(tmp_path, capsys):
    outcomes = [outcome(tmp_path, n, shift=2.0 * n, has_box=n != 0, right=n % 3 != 2) for n in range(7)]
    report_of(outcomes, tmp_path / "out", pictures=2, provenance={"phantom": True})
    printed = capsys.readouterr().out
    assert "border ignored" in printed
    assert "Head boxes, pixels of the original" in printed
    content = json.loads((tmp_path / "out" / "metrics.json").read_text())
    assert content["about"] == {"border": "ignored"}
    names = {row["metric"] for row in content["metrics"]}
    assert names - {"dice_per_photograph"} <= set(content["definitions"])
    rows = list(csv.DictReader((tmp_path / "out" / "per_photograph.csv").open()))
    assert rows[0]["true_box_left"] == rows[0]["box_iou"] == ""
    assert [float(rows[2][f"true_box_{edge}"]) for edge in ("left", "top", "right", "bottom")] == [30, 10, 50, 30]
    assert float(rows[2]["box_left"]) == 34
    figures = {path.name for path in (tmp_path / "out" / "figures").iterdir()}
    assert figures >= {"best.png", "worst.png", "confusion.png", "reliability.png", "precision_recall.png"}
    with Image.open(tmp_path / "out" / "figures" / "best.png") as picture:
        pixels = np.asarray(picture.convert("RGB"))
    for colour in ("#35d435", "#ffe119"):
        assert (np.abs(pixels - rgb(colour)).max(-1) < 3).any()


@pytest.mark.parametrize("kept", [("pet",), ("species",), ("box",), ("breed", "box")])
def test_any_subset_of_tasks(tmp_path, kept):
    tasks = parse_tasks([task for task in TASKS if task.name in kept])
    rows = report_of([outcome(tmp_path, n, tasks=tasks, shift=3.0 * n) for n in range(3)], tmp_path / "out", tasks)
    assert {task for task, _ in rows} == set(kept)
    assert (tmp_path / "out" / "figures" / "worst.png").is_file()


def test_images_without_any_label_are_an_error(tmp_path):
    tasks = parse_tasks([TASKS[3]])
    with pytest.raises(DataError, match="none of them labelled"):
        report_of([outcome(tmp_path, 0, tasks=tasks, has_box=False)], tmp_path / "out", tasks)


@pytest.mark.parametrize("count", [0, 1, 3, 4, 5, 40])
def test_gallery_keeps_what_sorting_would(count):
    from scripts.gallery import Gallery

    scores = np.random.default_rng(count).permutation(count) / 10
    gallery, made = Gallery(2), []
    for score in scores:
        gallery.offer(float(score), lambda score=score: made.append(score) or score)
    lists = gallery.lists()
    order = sorted(scores)
    half = min(2, -(-count // 2))
    assert lists["worst"] == order[:half]
    assert lists["best"] == order[::-1][: min(2, count - half)]
    assert gallery.offered == count
    assert len(made) < 30


@pytest.mark.real
def test_breeds_are_called_as_in_the_real_lists(real_pets):
    from scripts.names import class_name

    for line in (real_pets / "annotations" / "list.txt").read_text().splitlines():
        if not line.startswith("#"):
            name, breed, species, _ = line.split()
            assert class_name("breed", int(breed) - 1).lower().replace(" ", "_") == name.rsplit("_", 1)[0].lower()
            assert class_name("species", int(species) - 1) == ("cat" if name[0].isupper() else "dog")


def test_there_are_as_many_names_as_classes_and_phantoms_have_numbers():
    from scripts.layout import GRADE_TASKS
    from scripts.names import NAMES, answers_text, class_name, truth_text

    assert {task: len(names) for task, names in NAMES.items()} == GRADE_TASKS
    assert list(NAMES["breed"]) == sorted(NAMES["breed"], key=str.lower)
    assert class_name("breed", 0, phantom=True) == "breed 1"
    assert answers_text({"species": [0.1, 0.9]}) == "dog 90%"
    assert truth_text({"species": 0, "breed": -1}) == "cat"
