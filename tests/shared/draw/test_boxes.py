import numpy as np
from PIL import Image

from shared.draw.boxes import FOUND, paint_box
from shared.draw.look import rgb
from shared.draw.matrices import draw_confusion_matrices
from shared.draw.overlay import draw_overlay

GREY = np.full((100, 160, 3), 90, np.uint8)


def painted(picture):
    return (picture == rgb(FOUND)).all(-1)


def test_the_outline_lies_inside_the_box_and_nothing_else_changes():
    line = painted(paint_box(GREY, [20, 10, 60, 50], colour=FOUND, thickness=2))
    expected = np.zeros((100, 160), bool)
    expected[10:50, 20:60] = True
    expected[12:48, 22:58] = False
    np.testing.assert_array_equal(line, expected)
    assert not painted(GREY).any()


def test_boxes_are_cut_at_the_picture_and_may_be_absent_or_empty():
    line = painted(paint_box(GREY, [-30, 80, 400, 300], colour=FOUND, thickness=2))
    assert line[80, 0]
    assert line[99, 159]
    for nothing in (None, [50, 10, 20, 40], [20, 10, 20, 40], [200, 10, 220, 40]):
        np.testing.assert_array_equal(paint_box(GREY, nothing, colour=FOUND), GREY)


def test_a_dashed_outline_is_part_of_the_whole_one():
    whole = painted(paint_box(GREY, [20, 10, 90, 80], colour=FOUND))
    dashed = painted(paint_box(GREY, [20, 10, 90, 80], colour=FOUND, dashed=True))
    assert (dashed <= whole).all()
    assert 0.3 < dashed.sum() / whole.sum() < 0.7


def test_on_an_overlay_the_box_is_scaled_with_the_photograph(tmp_path):
    photo = np.full((1000, 1600, 3), 90, np.uint8)
    mask = np.ones((1000, 1600), bool)
    path = draw_overlay(
        photo, {"pet": mask}, tmp_path / "o.png", title="a pet", longest=800, box_4=[400, 200, 800, 600]
    )
    rows, columns = np.nonzero(painted(np.asarray(Image.open(path))))
    assert (columns.min(), columns.max()) == (200, 399)
    assert rows.max() - rows.min() == 199


def test_confusion_of_many_named_classes(tmp_path):
    names = [f"a long breed {number}" for number in range(37)]
    confusion = np.diag(np.arange(37))
    few = draw_confusion_matrices({"breed": confusion[:3, :3]}, tmp_path / "few.png")
    many = draw_confusion_matrices({"breed": confusion}, tmp_path / "many.png", classes={"breed": names})
    assert Image.open(many).size[1] > 2 * Image.open(few).size[1]
