"""Photographs found in a folder; other pictures set apart with a reason."""

import numpy as np
import pytest
from PIL import Image

from shared.data.listing import find_photographs, find_pictures
from shared.errors import DataError
from tests.support.fundus import draw_fundus


@pytest.fixture
def folder(tmp_path):
    photo = Image.fromarray(draw_fundus(178, 268))
    (tmp_path / "deep" / "er").mkdir(parents=True)
    (tmp_path / ".hidden").mkdir()
    photo.save(tmp_path / "a.JPG", format="JPEG")
    photo.save(tmp_path / "deep" / "er" / "b.png")
    photo.save(tmp_path / ".hidden" / "c.png")
    Image.new("RGB", (268, 178)).save(tmp_path / "black.png")
    (tmp_path / "broken.jpeg").write_bytes(b"\xff\xd8\xff")
    (tmp_path / "notes.txt").write_text("")
    return tmp_path


def test_a_folder_is_searched_with_its_folders(folder):
    listing = find_photographs(folder)
    assert [item["name"] for item in listing.items] == ["a", "deep/er/b"]
    assert [path.split("/")[-1] for path, _ in listing.refused] == ["black.png", "broken.jpeg"]
    assert all(reason for _, reason in listing.refused)


def test_a_single_file(folder):
    assert [item["name"] for item in find_photographs(folder / "a.JPG").items] == ["a"]


@pytest.mark.parametrize(
    ("name", "text"), [("absent", "does not exist"), ("empty", "no picture"), ("bad", "none of 1")]
)
def test_nothing_to_read_is_an_error(tmp_path, name, text):
    if name != "absent":
        (tmp_path / name).mkdir()
    if name == "bad":
        Image.fromarray(np.full((200, 200, 3), 255, np.uint8)).save(tmp_path / name / "white.png")
    with pytest.raises(DataError, match=text):
        find_photographs(tmp_path / name)


def test_pictures_of_any_kind(folder):
    listing = find_pictures(folder)
    assert [item["name"] for item in listing.items] == ["a", "black", "deep/er/b"]
    ((path, reason),) = listing.refused
    assert path.endswith("broken.jpeg")
    assert "cannot read" in reason


def test_no_readable_picture_is_an_error(tmp_path):
    Image.new("RGB", (64, 48), "white").save(tmp_path / "whole.jpg")
    (tmp_path / "half.jpg").write_bytes((tmp_path / "whole.jpg").read_bytes()[:300])
    assert [item["name"] for item in find_pictures(tmp_path).items] == ["whole"]
    with pytest.raises(DataError, match="none of 1 pictures is readable"):
        find_pictures(tmp_path / "half.jpg")
