"""Which eye: what the data set, the name and the disc's side say, and when nothing does."""

import csv

import numpy as np
import pytest

from shared.data.field_of_view import FieldOfView, find_field_of_view
from shared.data.photograph import read_photograph
from shared.report.findings import Disc

pytestmark = pytest.mark.usefixtures("fundus_scripts")


@pytest.mark.parametrize(
    ("stem", "eye"),
    [
        ("N-3-L", "left"),
        ("anna_OS_2", "left"),
        ("patient 7 right", "right"),
        ("N-12-R", "right"),
        ("12_OD", "right"),
        ("7 os", "left"),
        ("RE", "right"),
        ("LE.12", "left"),
        ("P001L", "unknown"),
        ("12OD", "unknown"),
        ("8r2", "unknown"),
        ("photo_le_12", "unknown"),
        ("a_re_b", "unknown"),
        ("L_and_RE", "unknown"),
        ("IDRiD_07", "unknown"),
        ("Lorem", "unknown"),
        ("L_and_R", "unknown"),
        ("model", "unknown"),
    ],
)
def test_names(stem, eye):
    from scripts.laterality import laterality

    assert laterality(stem=stem) == (eye, "the name" if eye != "unknown" else "")


def test_the_data_set_says_it_first_then_the_name():
    from scripts.laterality import laterality

    field, disc = FieldOfView(500, 500, 1000, (0, 0, 1000, 1000)), Disc(800, 500, 100)
    assert laterality(stem="x-L", known="right", disc=disc, field=field) == ("right", "the data set")
    assert laterality(stem="x-L", disc=disc, field=field) == ("left", "the name")
    assert laterality(stem="x", disc=disc, field=field) == ("right", "the disc's side")


@pytest.mark.parametrize(
    ("disc", "diameter", "eye"),
    [
        (Disc(720, 500, 150), 1000, "right"),
        (Disc(280, 500, 150), 1000, "left"),
        (Disc(600, 500, 150), 1000, "unknown"),
        (Disc(900, 500, 300), 1000, "unknown"),
    ],
    ids=["right", "left", "centred", "small field"],
)
def test_the_disc_is_on_the_noses_side(disc, diameter, eye):
    from scripts.laterality import laterality

    field = FieldOfView(500, 500, diameter, (0, 0, 1000, 1000))
    assert laterality(stem="x", disc=disc, field=field).eye == eye
    assert laterality(stem="x", disc=None, field=field) == laterality(stem="x", disc=disc) == ("unknown", "")


@pytest.mark.real
def test_real_discs_lie_on_the_noses_side(real_idrid):
    """IDRiD part C's true centres of disc and fovea tell the eye; a disc is about 540 of 4288 pixels wide."""
    from scripts.laterality import laterality

    centres = {}
    for file in (real_idrid / "C. Localization").rglob("*.csv"):
        with file.open(newline="") as stream:
            rows = [row for row in csv.reader(stream) if len(row) > 2 and row[1].replace(".", "").isdigit()]
        kind = "disc" if "OD" in file.name else "fovea"
        centres[kind] = {row[0].strip(): (float(row[1]), float(row[2])) for row in rows}
    photographs = sorted((real_idrid / "B. Disease Grading").rglob("*.jpg"))[::12]
    told = []
    for path in photographs:
        photograph = read_photograph(path)
        scale = photograph.full_size[1] / 4288
        (disc_x, disc_y), (fovea_x, _) = centres["disc"][path.stem], centres["fovea"][path.stem]
        field = find_field_of_view(photograph.pixels_HW3)
        eye = laterality(stem="x", disc=Disc(disc_x * scale, disc_y * scale, 540 * scale), field=field).eye
        assert eye in ("unknown", "right" if disc_x > fovea_x else "left")
        told.append(eye != "unknown")
    assert len(photographs) > 30
    assert np.mean(told) > 0.9
