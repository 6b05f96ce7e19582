"""Files of inference on discs: masks, overlay, rim, JSON and table; empty, cut and scattered discs."""

import csv
import json

import numpy as np
import pytest
import torch
from PIL import Image

from shared.errors import ConfigError
from tests.support.errors import fails_with
from tests.support.fundus import draw_fundus

pytestmark = pytest.mark.usefixtures("fundus_scripts")
SIZE = (120, 160)


def circle(centre_y, centre_x, radius):
    rows, columns = np.mgrid[: SIZE[0], : SIZE[1]]
    return (rows - centre_y) ** 2 + (columns - centre_x) ** 2 <= radius**2


def maps(disc, cup=None):
    """Sure probabilities of background, rim and cup; without the cup of background and disc."""
    label = disc.astype(int) + (0 if cup is None else (disc & cup).astype(int))
    return torch.from_numpy(np.eye(2 if cup is None else 3)[label]).permute(2, 0, 1)


@pytest.fixture
def item(tmp_path):
    """A photograph as inference gives it."""
    path = tmp_path / "eye_OS.png"
    Image.fromarray(np.full((*SIZE, 3), 120, np.uint8)).save(path)
    return {"path": str(path), "name": "eye_OS", "stereo": False, "laterality": ""}


def writer(folder, classes=("disc", "cup"), **arguments):
    from scripts.writer import DiscWriter

    return DiscWriter(classes=classes, output_dir=folder, **arguments)


def test_files_of_one_photograph(item, tmp_path, capsys):
    out = writer(tmp_path / "out", provenance={"commit": "abc"})
    disc, cup = circle(60, 50, 30), circle(60, 50, 12)
    out(maps(disc, cup), item)
    out.close()
    found = json.loads((tmp_path / "out/json/eye_OS.json").read_text())
    assert found["disc"] == {
        "found": True,
        "centre_x": 50.0,
        "centre_y": 60.0,
        "diameter_px": pytest.approx(60, abs=0.3),
        "area_px": disc.sum(),
        "touches_border": False,
        "touches_field_edge": None,
        "removed_px": 0,
    }
    assert (found["height"], found["width"], found["view"]) == (*SIZE, "whole")
    assert found["vertical_cup_to_disc"] == pytest.approx(25 / 61)
    assert found["rim"]["width_px"] == pytest.approx([18] * 72, abs=1)
    assert set(found["rim"]["quadrant_px"]) == {"nasal", "temporal", "superior", "inferior"}
    assert found["eye"] == {"eye": "left", "told_by": "the name"}
    assert found["remarks"] == []
    assert found["provenance"] == {"commit": "abc"}
    assert set(found["files"]) == {"overlay", "mask_disc", "mask_cup", "rim_csv", "rim_png"}
    assert all((tmp_path / "out" / file).stat().st_size > 100 for file in found["files"].values())
    for kind, mask in (("disc", disc), ("cup", cup)):
        with Image.open(tmp_path / "out/masks" / f"eye_OS_{kind}.png") as picture:
            assert picture.mode == "1"
            assert np.array_equal(np.asarray(picture), mask)
    with (tmp_path / "out/rims/eye_OS.csv").open() as file:
        assert len(list(csv.DictReader(file))) == 72
    with (tmp_path / "out/summary.csv").open() as file:
        (row,) = csv.DictReader(file)
    assert (row["eye"], row["eye_told_by"], row["disc_centre_x"]) == ("left", "the name", "50.0")
    assert float(row["rim_nasal_px"]) == pytest.approx(18, abs=1)
    assert "photographs read" in capsys.readouterr().out


def test_a_model_of_the_disc_alone_says_nothing_of_rim_and_cup(item, tmp_path):
    found = writer(tmp_path, ["disc"])(maps(circle(60, 50, 30)), item)
    assert not {"cup", "rim", "vertical_cup_to_disc"} & found.keys()
    assert set(found["files"]) == {"overlay", "mask_disc"}


def test_empty_and_cut_discs_are_said_and_no_crash(item, tmp_path, capsys):
    out = writer(tmp_path)
    nothing = np.zeros(SIZE, bool)
    found = out(maps(nothing, nothing), item)
    assert found["disc"]["found"] is False
    assert found["disc"]["diameter_px"] is found["rim"] is None
    assert found["remarks"] == ["no disc was found"]
    stored = json.loads((tmp_path / "json/eye_OS.json").read_text())
    assert stored["vertical_cup_to_disc"] is None
    other = item | {"path": item["path"].replace("OS", "2")}
    Image.new("RGB", SIZE[::-1]).save(other["path"])
    found = out(maps(circle(5, 50, 30), nothing), other)
    assert found["disc"]["touches_border"] is True
    assert "touches the picture's border" in found["remarks"][0]
    assert found["remarks"][1] == "no cup was found"
    assert found["eye"] == {"eye": "unknown", "told_by": ""}
    assert {"picture_left", "picture_right"} <= found["rim"]["quadrant_px"].keys()
    out.close()
    printed = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert ["no", "disc", "found", "1"] in printed
    assert ["disc", "cut", "by", "the", "border", "1"] in printed


def test_the_largest_component_is_kept_and_said(item, tmp_path):
    scattered = circle(60, 50, 30) | circle(100, 140, 6)
    found = writer(tmp_path / "largest", ["disc"])(maps(scattered), item)
    assert found["disc"]["removed_px"] == circle(100, 140, 6).sum()
    assert found["disc"]["centre_x"] == 50
    assert "only the largest component of the disc was kept" in found["remarks"][0]
    found = writer(tmp_path / "all", ["disc"], keep_largest=False)(maps(scattered), item)
    assert found["disc"]["area_px"] == scattered.sum()
    assert (found["disc"]["centre_x"], found["disc"]["diameter_px"]) == (50, pytest.approx(60, abs=0.3))
    assert len(found["remarks"]) == 1
    assert f"({circle(100, 140, 6).sum()} pixels outside the largest)" in found["remarks"][0]
    assert "centre and diameter of the largest" in found["remarks"][0]
    whole = writer(tmp_path / "whole", ["disc"], keep_largest=False)(maps(circle(60, 50, 30)), item)
    assert whole["remarks"] == []


def test_of_a_stereo_photograph_the_left_view_is_read_and_said(item, tmp_path):
    Image.new("RGB", (2 * SIZE[1], SIZE[0])).save(item["path"])
    found = writer(tmp_path, ["disc"])(maps(circle(60, 50, 30)), item | {"stereo": True, "laterality": "right"})
    assert (found["view"], found["width"]) == ("left of two", SIZE[1])
    assert found["remarks"] == ["stereo photograph: the left view was read"]
    assert found["eye"] == {"eye": "right", "told_by": "the data set"}


def test_the_discs_side_tells_the_eye_of_a_whole_field(tmp_path):
    Image.fromarray(draw_fundus(400, 600)).save(tmp_path / "retina.png")
    rows, columns = np.mgrid[:400, :600]
    item = {"path": str(tmp_path / "retina.png"), "name": "retina", "stereo": False, "laterality": ""}
    for centre_x, eye in ((420, "right"), (180, "left"), (310, "unknown")):
        disc = (rows - 200) ** 2 + (columns - centre_x) ** 2 <= 30**2
        found = writer(tmp_path / "out", ["disc"])(maps(disc), item)
        assert found["eye"]["eye"] == eye
        assert found["eye"]["told_by"] == ("the disc's side" if eye != "unknown" else "")


def test_a_disc_cut_by_the_field_of_view_is_said(tmp_path):
    """The drawn field has a radius of 240 about the middle."""
    Image.fromarray(draw_fundus(600, 600)).save(tmp_path / "retina.png")
    rows, columns = np.mgrid[:600, :600]
    item = {"path": str(tmp_path / "retina.png"), "name": "retina", "stereo": False, "laterality": ""}
    for centre_x, cut in ((490, False), (530, True)):
        disc = (rows - 300) ** 2 + (columns - centre_x) ** 2 <= 30**2
        found = writer(tmp_path / "out", ["disc"])(maps(disc), item)
        assert found["disc"]["touches_field_edge"] is cut
        assert found["disc"]["touches_border"] is False
        assert ("field of view" in " ".join(found["remarks"])) is cut


def test_maps_of_another_size_are_refused(item, tmp_path):
    with fails_with(ConfigError, "RestorePhotographd"):
        writer(tmp_path, ["disc"])(maps(circle(60, 50, 30))[:, ::2], item)
