"""The Duke scans, all of them, against a decoder written by hand, and ITK."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from shared.data import VolumeFile, slice_items
from shared.doctor import ERROR, WARNING
from shared.errors import DataError
from shared.transforms import LoadBScand
from tests.references.metaimage import read_plainly

pytestmark = [pytest.mark.real, pytest.mark.usefixtures("retouch_scripts")]

PATIENTS = [f"DUKE00{number}" for number in range(1, 9)]


def make(folder: Path, **keys: Any) -> dict[str, list[dict[str, Any]]]:
    from scripts.datalist import make_datalist

    return make_datalist(folder, num_classes=2, **keys)


def test_every_voxel(real_duke: Path) -> None:
    """8 volumes with their references, and the 50 unlabelled B-scans."""
    index, fluid = json.loads((real_duke / "index.json").read_text()), 0
    for path in sorted(real_duke.rglob("*.mhd")):
        expected, entries = read_plainly(path)
        with VolumeFile(path, label=path.stem == "reference") as volume:
            assert np.array_equal(volume.read(), expected), path
            assert np.array_equal(volume.read(3, 5), expected[3:5]), path
            spacing = [float(word) for word in entries["ElementSpacing"].split()]
            assert list(volume.geometry.spacing_xyz) == spacing == list(volume.spacing[::-1])
        if path.stem == "reference":
            assert set(np.unique(expected)) == {0, 1}
            assert expected.mean() == pytest.approx(index[path.parent.name]["fluid_fraction"], rel=1e-6)
            fluid += int(expected.any(axis=(1, 2)).sum())
        else:
            assert volume.top == 255
    assert fluid == 62  # of 88; an empty reference means "no fluid"


def test_geometry_as_itk_reads_it(real_duke: Path) -> None:
    import itk

    for path in sorted(real_duke.rglob("oct.mhd")):
        image, volume = itk.imread(str(path)), VolumeFile(path)
        assert volume.geometry.spacing_xyz == tuple(image.GetSpacing())
        assert volume.geometry.origin_xyz == tuple(image.GetOrigin())
        assert np.array_equal(volume.geometry.direction, itk.array_from_matrix(image.GetDirection()))
        assert tuple(volume.geometry.size_NHW) == itk.array_view_from_image(image).shape


def test_data_lists(real_duke: Path) -> None:
    keys = {"unlabelled_dir": real_duke / "unlabelled", "always_training": ["DUKE001"], "num_folds": 7}
    validated: Counter[str] = Counter()
    for fold in range(7):
        for fraction, count in ((1 / 8, 1), (1 / 4, 2), (1.0, 7)):
            lists = make(real_duke, fold=fold, labelled_fraction=fraction, **keys)
            assert len(lists["labelled"]) == count
            assert lists["unlabelled"][-1]["name"] == "unlabelled/Spectralis/DUKE001U"
            assert lists["unlabelled"][-1]["num_slices"] == 50
            assert len(lists["labelled"]) + len(lists["unlabelled"]) == 8
            assert {"DUKE001"} <= {volume["patient"] for volume in lists["labelled"]}
        validated.update(volume["patient"] for volume in lists["validation"])
        assert not any(volume["physical"] for volumes in lists.values() for volume in volumes)
    assert validated == dict.fromkeys(PATIENTS[1:], 1)


def test_unlabelled_scans_of_patient_1_never_meet_her_labelled_ones_in_validation(real_duke: Path) -> None:
    refused = 0
    for fold in range(8):
        held = make(real_duke, fold=fold, num_folds=8)["validation"][0]["patient"]
        if held == "DUKE001":
            refused += 1
            with pytest.raises(DataError, match="validated or tested on: DUKE001"):
                make(real_duke, unlabelled_dir=real_duke / "unlabelled", fold=fold, num_folds=8)
        else:
            make(real_duke, unlabelled_dir=real_duke / "unlabelled", fold=fold, num_folds=8)
    assert refused == 1


def test_samples(real_duke: Path, tmp_path: Path) -> None:
    items = slice_items(make(real_duke, validation_fraction=0)["labelled"])
    assert len(items) == 88
    load = LoadBScand([256, 256], num_classes=2, native=True, neighbours=1, cache_dir=tmp_path)
    with_fluid, shares = 0, []
    for item in items[::4]:
        sample = load(item)
        volume = Path(item["image"]).parent
        assert sample["image"].shape == (3, 256, 256)
        assert 0 <= sample["image"].min() < sample["image"].max() <= 1
        assert set(np.unique(sample["label"])) <= set(np.unique(sample["native_label"]))
        expected = VolumeFile(volume / "reference.mhd").read(item["slice"], item["slice"] + 1)
        assert np.array_equal(sample["native_label"], expected)
        with_fluid += bool(sample["native_label"].any())
        shares.append((sample["label"].float().mean().item(), sample["native_label"].float().mean().item()))
    small, full = np.array(shares).T
    assert 10 < with_fluid < 22
    assert np.abs(small - full).max() < 1e-3


def test_nothing_is_wrong_with_them(real_duke: Path) -> None:
    from scripts.doctor import examine

    diagnosis = examine(real_duke)
    assert not diagnosis.of(ERROR) + diagnosis.of(WARNING)
    tables = {table.title: table for table in diagnosis.tables}
    assert tables["Volumes"].rows == [["Spectralis", 8, 8, 8, 88, 88, "768x496x11", "uint8"]]
