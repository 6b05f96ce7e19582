"""What inference reads: data sets with and without masks, any folder, stereo photographs."""

import numpy as np
import pytest
from PIL import Image

from shared.errors import DataError
from tests.support.errors import fails_with
from tests.support.fundus import draw_fundus

pytestmark = pytest.mark.usefixtures("fundus_scripts")


def listed(folder, **arguments):
    from scripts.source import photographs

    return photographs(str(folder), workspace="", phantoms={}, **arguments)


def test_a_data_set_with_and_without_masks(layouts):
    with_masks = listed(layouts["rim_one_r3"])
    assert len(with_masks.items) == 12
    assert all(item["stereo"] for item in with_masks.items)
    assert {item["laterality"] for item in with_masks.items} == {"left", "right"}
    for path in layouts["rim_one_r3"].rglob("*.png"):
        path.unlink()
    assert listed(layouts["rim_one_r3"]) == with_masks


@pytest.mark.parametrize("source", ["rim_one_dl", "drishti", "refuge", "drions", "idrid_disc"])
def test_masks_of_no_source_are_taken_for_photographs(layouts, source):
    from scripts.sources import read_source

    assert [item["name"] for item in listed(layouts[source]).items] == [
        entry.name for entry in read_source(layouts[source]).entries
    ]


def test_one_file_that_is_called_like_a_data_sets_hides_no_other(tmp_path):
    for stem in ("image_001", "patient_2"):
        Image.fromarray(draw_fundus(200, 300)).save(tmp_path / f"{stem}.png")
    assert [item["name"] for item in listed(tmp_path).items] == ["image_001", "patient_2"]


def test_any_folder_or_file_stereo_where_said(tmp_path):
    (tmp_path / "sub").mkdir()
    Image.fromarray(draw_fundus(200, 300)).save(tmp_path / "sub" / "a.png")
    Image.fromarray(draw_fundus(200, 301)).save(tmp_path / "b.png")
    (tmp_path / "c.jpg").write_bytes(b"no picture")
    listing = listed(tmp_path)
    assert [(item["name"], item["stereo"]) for item in listing.items] == [("b", False), ("sub/a", False)]
    assert [path.rpartition("/")[2] for path, _ in listing.refused] == ["c.jpg"]
    pairs = listed(tmp_path, stereo=True)
    assert [(item["name"], item["stereo"]) for item in pairs.items] == [("sub/a", True)]
    reasons = {path.rpartition("/")[2]: reason for path, reason in pairs.refused}
    assert "301x200" in reasons["b.png"]
    assert [item["name"] for item in listed(tmp_path / "sub" / "a.png").items] == ["a"]


def test_what_cannot_be_read_of_a_data_set_is_refused_by_name(layouts):
    first, second, *_ = sorted(layouts["rim_one_r3"].rglob("*.jpg"))
    first.write_bytes(first.read_bytes()[:200])
    Image.fromarray(np.zeros((40, 61, 3), np.uint8)).save(second)
    listing = listed(layouts["rim_one_r3"])
    assert len(listing.items) == 10
    assert {path for path, _ in listing.refused} == {str(first), str(second)}
    for path in layouts["rim_one_r3"].rglob("*.jpg"):
        path.write_bytes(b"")
    with fails_with(DataError, "none of 12 photographs can be read"):
        listed(layouts["rim_one_r3"])
