import csv
import json

import numpy as np
import pytest
import torch
from ignite.engine import Engine
from PIL import Image

from shared.data.geometry import Geometry
from shared.errors import ConfigError, DataError
from shared.handlers.photograph_writer import PhotographWriter
from shared.metrics.outcome import outcome_of
from shared.tasks import parse_tasks

TASKS = parse_tasks(
    [
        {"name": "RG", "kind": "grade", "num_classes": 5},
        {"name": "MA", "kind": "mask"},
        {"name": "EX", "kind": "mask"},
        {"name": "OD", "kind": "mask"},
    ]
)
SIZE = (60, 90)


def example(folder, name, *, disc=True):
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", SIZE[::-1], (160, 70, 30)).save(path)
    pred = torch.full((3, *SIZE), 0.1)
    pred[0, 10:12, 20:23] = 0.9
    pred[0, 40, 50] = 0.9
    if disc:
        rows, columns = np.mgrid[: SIZE[0], : SIZE[1]]
        pred[2][torch.from_numpy((rows - 30) ** 2 + (columns - 70) ** 2 <= 49)] = 0.8
        pred[2, 2, 2] = 0.8
    output = {
        "pred": pred,
        "RG": torch.tensor([0.1, 0.1, 0.6, 0.1, 0.1]),
        "gate_weights": torch.tensor([[0.25, 0.75, 0], [1, 0, 0], [1, 0, 0], [0, 0, 1.0]]),
    }
    geometry = Geometry(*SIZE, 29.5, 44.5, 50.0, 1.0, 0.0, 0.0)
    return output, {"path": str(path), "name": path.stem, "geometry": geometry.to_tensor()}


def outcome(folder, name, **arguments):
    return outcome_of(*example(folder, name, **arguments), TASKS)


def test_files_of_one_photograph(tmp_path):
    writer = PhotographWriter(TASKS, output_dir=tmp_path / "out", thresholds={"EX": 0.05}, provenance={"commit": "abc"})
    writer(outcome(tmp_path, "eye.jpg"))
    mask = Image.open(tmp_path / "out/masks/eye_MA.png")
    assert mask.size == SIZE[::-1]
    assert np.argwhere(np.asarray(mask.convert("L")) == 255).tolist() == [
        *([row, column] for row in (10, 11) for column in (20, 21, 22)),
        [40, 50],
    ]
    assert set(np.unique(np.asarray(mask.convert("L")))) == {0, 255}
    assert np.asarray(Image.open(tmp_path / "out/masks/eye_EX.png")).all()
    assert Image.open(tmp_path / "out/overlays/eye.jpg").size[0] == 480
    found = json.loads((tmp_path / "out/json/eye.json").read_text())
    assert found["grades"]["RG"] == {"grade": 2, "probabilities": [0.1, 0.1, 0.6, 0.1, 0.1]}
    assert found["lesions"]["MA"]["count"] == 2
    assert found["lesions"]["MA"]["area_px"] == 7
    assert found["lesions"]["MA"]["retina_share"] == pytest.approx(7 / (np.pi * 625), rel=0.01)
    assert found["lesions"]["EX"]["count"] == 1
    assert found["optic_disc"]["centre_x"] == 70
    assert found["optic_disc"]["centre_y"] == 30
    assert found["optic_disc"]["diameter_px"] == pytest.approx(14, abs=0.5)
    assert found["experts"]["RG"] == {"0": 0.25, "1": 0.75}
    assert found["thresholds"] == {"MA": 0.5, "EX": 0.05, "OD": 0.5}
    assert found["provenance"] == {"commit": "abc"}
    assert all((tmp_path / "out" / file).is_file() for file in found["files"].values())


def test_an_absent_disc_is_null(tmp_path):
    writer = PhotographWriter(TASKS, output_dir=tmp_path / "out")
    found = writer(outcome(tmp_path, "eye.jpg", disc=False))
    assert found["optic_disc"] == {"centre_x": None, "centre_y": None, "diameter_px": None}
    writer.close()
    (row,) = csv.DictReader((tmp_path / "out/summary.csv").open())
    assert row["disc_centre_x"] == ""


def test_same_stem_in_two_folders_and_a_repeated_run(tmp_path):
    names = ["left/eye.jpg", "right/eye.jpg", "right/eye.png"]
    writer = PhotographWriter(TASKS, output_dir=tmp_path / "out")
    for name in names:
        writer(outcome(tmp_path, name))
    writer.close()
    files = {path: path.stat().st_size for path in (tmp_path / "out").rglob("*") if path.is_file()}
    assert len([path for path in files if path.suffix == ".json"]) == 3

    again = PhotographWriter(TASKS, output_dir=tmp_path / "out")
    assert all(again.is_done(tmp_path / name) for name in names)
    assert not again.is_done(tmp_path / "other/eye.jpg")
    for name in reversed(names):
        again(outcome(tmp_path, name))
    again.close()
    assert {path for path in (tmp_path / "out").rglob("*") if path.is_file()} == set(files)
    rows = list(csv.DictReader((tmp_path / "out/summary.csv").open()))
    assert sorted(row["photograph"] for row in rows) == sorted(str(tmp_path / name) for name in names)


def test_summary_keeps_earlier_runs(tmp_path):
    first = PhotographWriter(TASKS, output_dir=tmp_path / "out")
    first(outcome(tmp_path, "one.jpg"))
    second = PhotographWriter(TASKS, output_dir=tmp_path / "out")
    second(outcome(tmp_path, "two.jpg"))
    second.close()
    rows = list(csv.DictReader((tmp_path / "out/summary.csv").open()))
    assert [row["name"] for row in rows] == ["one", "two"]
    assert rows[0]["RG"] == "2"
    assert rows[0]["MA_count"] == "2"
    assert rows[0]["RG_experts"] == "0 1"


def engine_over(pairs, fail_at=None):
    def step(engine, index):
        if index == fail_at:
            raise RuntimeError("broken")
        engine.state.batch = [pairs[index][1]]
        return [pairs[index][0]]

    return Engine(step)


def test_as_a_handler_with_refused_photographs(tmp_path, capsys):
    pairs = [example(tmp_path, f"{index}.jpg") for index in range(3)]
    writer = PhotographWriter(TASKS, output_dir=tmp_path / "out")
    writer.refuse([(tmp_path / "cat.jpg", "no field of view found")])
    engine = engine_over(pairs)
    writer.attach(engine)
    engine.run(range(3))
    (row,) = csv.DictReader((tmp_path / "out/refused.csv").open())
    assert row == {"photograph": str(tmp_path / "cat.jpg"), "reason": "no field of view found"}
    printed = capsys.readouterr().out
    assert "photographs read     3" in printed
    assert "refused              1" in printed
    assert "time per photograph" in printed
    assert str(tmp_path / "out") in printed


def test_what_was_done_before_a_failure_is_kept(tmp_path):
    pairs = [example(tmp_path, f"{index}.jpg") for index in range(3)]
    writer = PhotographWriter(TASKS, output_dir=tmp_path / "out")
    engine = engine_over(pairs, fail_at=2)
    writer.attach(engine)
    with pytest.raises(RuntimeError, match="broken"):
        engine.run(range(3))
    assert len(list(csv.DictReader((tmp_path / "out/summary.csv").open()))) == 2


def test_masks_of_another_size_are_refused(tmp_path):
    output, batch = example(tmp_path, "eye.jpg")
    output["pred"] = output["pred"][:, ::2, ::2]
    writer = PhotographWriter(TASKS, output_dir=tmp_path / "out")
    with pytest.raises(ConfigError, match="RestorePhotographd"):
        writer(outcome_of(output, batch, TASKS))
    assert not list((tmp_path / "out").rglob("*.png"))


def test_a_folder_that_cannot_be_written(tmp_path):
    (tmp_path / "out").write_text("a file")
    writer = PhotographWriter(TASKS, output_dir=tmp_path / "out")
    with pytest.raises(DataError, match="cannot write"):
        writer(outcome(tmp_path, "eye.jpg"))


def test_phantoms_are_called_so_on_the_overlay(tmp_path):
    plain = PhotographWriter(TASKS, output_dir=tmp_path / "plain")
    phantom = PhotographWriter(TASKS, output_dir=tmp_path / "phantom", provenance={"phantom": True})
    for writer in (plain, phantom):
        writer(outcome(tmp_path, "eye.jpg"))
    heights = [Image.open(writer.output_dir / "overlays/eye.jpg").size[1] for writer in (plain, phantom)]
    assert heights[1] > heights[0]


def test_a_classifier_without_masks_or_experts(tmp_path):
    output, batch = example(tmp_path, "eye.jpg")
    writer = PhotographWriter(TASKS.grades, output_dir=tmp_path / "out")
    found = writer(outcome_of({"RG": output["RG"]}, batch, parse_tasks(TASKS.grades)))
    writer.close()
    assert (found["height"], found["width"]) == SIZE
    assert "optic_disc" not in found
    assert "experts" not in found
    (row,) = csv.DictReader((tmp_path / "out/summary.csv").open())
    assert row["RG"] == "2"
    assert (tmp_path / "out/overlays/eye.jpg").is_file()


@pytest.mark.real
def test_an_original_photograph_at_full_size(tmp_path, real_idrid):
    """The true masks as prediction come out pixel by pixel."""
    photograph = real_idrid / "A. Segmentation/1. Original Images/a. Training Set/IDRiD_01.jpg"
    truths = real_idrid / "A. Segmentation/2. All Segmentation Groundtruths/a. Training Set"
    kinds = {"MA": "1. Microaneurysms", "EX": "3. Hard Exudates", "OD": "5. Optic Disc"}
    masks = [np.asarray(Image.open(truths / folder / f"IDRiD_01_{kind}.tif")) > 0 for kind, folder in kinds.items()]
    geometry = Geometry(2848, 4288, 1423.5, 2000.0, 3450.0, 0.25, 0.0, 0.0)
    batch = {"path": str(photograph), "geometry": geometry.to_tensor()}
    output = {"pred": torch.from_numpy(np.stack(masks)).float() * 0.9, "RG": torch.ones(5) / 5}
    found = PhotographWriter(TASKS, output_dir=tmp_path / "out")(outcome_of(output, batch, TASKS))
    for kind, mask in zip(kinds, masks, strict=True):
        np.testing.assert_array_equal(np.asarray(Image.open(tmp_path / f"out/masks/IDRiD_01_{kind}.png")), mask)
    assert found["lesions"]["MA"]["area_px"] == masks[0].sum()
    rows, columns = np.nonzero(masks[2])
    assert found["optic_disc"]["centre_x"] == pytest.approx(columns.mean(), abs=0.1)
    assert found["optic_disc"]["centre_y"] == pytest.approx(rows.mean(), abs=0.1)
    overlay = np.asarray(Image.open(tmp_path / "out/overlays/IDRiD_01.jpg"))
    assert overlay.shape[1] == 1600
