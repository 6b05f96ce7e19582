import json

import numpy as np
import pytest

from shared.errors import DataError
from shared.report.fovea import Fovea, circles, fluid_inside, read_fovea

VOLUMES = [
    {"name": "Cirrus/A", "physical": True, "size": [10, 60], "num_slices": 13, "spacing": [0.5, 0.002, 0.1]},
    {"name": "Cirrus/B", "physical": True, "size": [10, 60], "num_slices": 13, "spacing": [0.5, 0.002, 0.1]},
    {"name": "Duke/C", "physical": False, "size": [10, 60], "num_slices": 13, "spacing": [1, 1, 1]},
]
ENTRIES = [{"name": "Cirrus/A", "x_mm": 3.0, "slice": 6}, {"name": "Cirrus/B", "column": 31, "slice": 5.5}]
EXPECTED = {"Cirrus/A": Fovea(3.0, 6.0), "Cirrus/B": Fovea(pytest.approx(3.1), 5.5)}


@pytest.mark.parametrize(
    "content",
    [
        ENTRIES,
        {"volumes": ENTRIES},
        {entry["name"]: {key: value for key, value in entry.items() if key != "name"} for entry in ENTRIES},
        [{"name": entry.pop("name"), "fovea": entry, "vendor": "Cirrus"} for entry in map(dict, ENTRIES)],
    ],
)
def test_json(tmp_path, content):
    file = tmp_path / "fovea.json"
    file.write_text(json.dumps(content))
    assert read_fovea(file, volumes=VOLUMES) == EXPECTED


def test_csv_of_more_volumes_than_these(tmp_path):
    file = tmp_path / "fovea.csv"
    file.write_text("name,x_mm,column,slice\nCirrus/A,3.0,,6\nCirrus/B,,31,5.5\nother,1,,1\n")
    assert read_fovea(file, volumes=VOLUMES) == EXPECTED


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("name,x_mm,slice\nother,1,1\n", "none of its 1 names"),
        ("name,x_mm,slice\nDuke/C,1,1\n", "no known voxel size"),
        ("name,column,slice\nCirrus/A,60,1\n", "lies at column 60.0"),
        ("name,column,slice\nCirrus/A,5,13\n", "B-scan 13"),
        ("name,column,slice\nCirrus/A,x,1\n", "no usable"),
        ("name,column\nCirrus/A,3\n", "no usable 'slice'"),
    ],
)
def test_bad_tables(tmp_path, text, message):
    (tmp_path / "fovea.csv").write_text(text)
    with pytest.raises(DataError, match=message):
        read_fovea(tmp_path / "fovea.csv", volumes=VOLUMES)


def test_no_such_file_and_no_json(tmp_path):
    with pytest.raises(DataError, match=r"No such file.*fovea.csv"):
        read_fovea(tmp_path / "fovea.csv", volumes=VOLUMES)
    (tmp_path / "x.json").write_text("{")
    with pytest.raises(DataError, match="cannot read the positions"):
        read_fovea(tmp_path / "x.json", volumes=VOLUMES)


def test_circles_have_the_area_of_circles():
    spacing = (0.02, 0.002, 0.01)
    fovea = Fovea(3.0, 150.0)
    inside_RNW = np.stack([circles(fovea, index=index, width=601, spacing=spacing) for index in range(301)], 1)
    areas = inside_RNW.sum((1, 2)) * spacing[0] * spacing[2]
    np.testing.assert_allclose(areas, np.pi * np.square([0.5, 1.5, 3.0]), rtol=0.01)
    assert inside_RNW[0, 150, 250]  # exactly half a millimetre away
    assert not inside_RNW[0, 150, 249]


def test_fluid_is_counted_over_all_depths():
    truth, predicted = np.zeros((4, 6), int), np.zeros((4, 6), int)
    truth[1:3, 2], truth[0, 5] = 1, 2
    predicted[:, 2], predicted[3, 4] = 1, 1
    inside = np.array([[0, 0, 1, 0, 0, 0], [1, 1, 1, 1, 1, 1]], bool)
    counted = fluid_inside(truth, predicted, inside, num_classes=3)
    assert counted.tolist() == [[[2, 4], [0, 0]], [[2, 5], [1, 0]]]
