"""Phantoms on disk: RETOUCH's official layout, exact geometry, facts that agree with the files, safe building."""

from __future__ import annotations

import hashlib
import importlib
import json
from pathlib import Path
from types import ModuleType
from typing import Any

import itk
import numpy as np
import pytest

from shared.errors import ConfigError, DataError
from shared.report.fovea import read_fovea
from tests.bundles.retouch_meanteacher.phantoms.conftest import Drawn

TINY: dict[str, Any] = {"volumes": (1, 1, 1), "unlabelled": (0, 1, 0), "scale": 0.1, "slice_scale": 0.05, "seed": 2}
FLUIDS = ("IRF", "SRF", "PED")


def digests(folder: Path) -> dict[str, str]:
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return {str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def test_layout_is_the_official_one(drawn: Drawn) -> None:
    files = {str(path.relative_to(drawn.folder)) for path in drawn.folder.rglob("*") if path.is_file()}
    expected = {"PHANTOMS.txt", "phantoms.json", "foveas.csv"}
    for vendor, labelled, unlabelled in (
        ("Cirrus", (1, 2, 3), (4,)),
        ("Spectralis", (5, 6, 7), ()),
        ("Topcon", (8, 9, 10), (11, 12)),
    ):
        for number in (*labelled, *unlabelled):
            kinds = ("oct", "reference") if number in labelled else ("oct",)
            place = f"RETOUCH-TrainingSet-{vendor}/TRAIN{number:03d}"
            expected |= {f"{place}/{kind}.{end}" for kind in kinds for end in ("mhd", "raw")}
    assert files == expected


def test_headers_say_that_these_are_drawn(drawn: Drawn) -> None:
    headers = list(drawn.folder.rglob("*.mhd"))
    assert len(headers) == 21
    assert all("PHANTOM" in header.read_text() for header in headers)
    assert "not scans" in (drawn.folder / "PHANTOMS.txt").read_text()


@pytest.mark.parametrize(
    ("vendor", "dtype", "shapes"),
    [
        ("Cirrus", np.uint8, {(128, 1024, 512)}),
        ("Spectralis", np.uint16, {(49, 496, 512)}),
        ("Topcon", np.uint8, {(128, 885, 512), (128, 650, 512)}),
    ],
)
def test_full_size_is_the_vendors(
    phantoms: ModuleType, drawn: Drawn, vendor: str, dtype: type, shapes: set[tuple[int, int, int]]
) -> None:
    vendors = importlib.import_module("scripts.phantoms.vendors")
    described = next(entry for entry in vendors.VENDORS if entry.name == vendor)
    scans = [vendors.scan_of(described, model=model, scale=1.0, slice_scale=1.0) for model in range(4)]
    assert {scan.shape for scan in scans} == shapes
    assert all(scan.spacing == scan.native for scan in scans)
    mine = [volume for volume in drawn.volumes if volume.facts["vendor"] == vendor]
    assert {volume.image_NHW.dtype for volume in mine} == {np.dtype(dtype)}
    if vendor == "Topcon":
        assert len({volume.image_NHW.shape for volume in mine}) == 2


def test_itk_reads_the_exact_spacing_and_the_scan_covers_six_millimetres(drawn: Drawn) -> None:
    for volume in drawn.volumes:
        assert list(volume.spacing) == volume.facts["spacing"]
        slices, height, width = volume.image_NHW.shape
        assert volume.spacing[0] * (slices - 1) == pytest.approx(6.0)
        assert volume.spacing[2] * width == pytest.approx(6.0)
        assert 1.9 < volume.spacing[1] * height < 2.31


def test_references_lie_on_the_scans(drawn: Drawn) -> None:
    assert len(drawn.labelled) == 9
    for volume, label_NHW in drawn.labelled:
        place = drawn.folder / f"RETOUCH-TrainingSet-{volume.facts['vendor']}" / volume.facts["patient"]
        image, reference = (itk.imread(str(place / f"{kind}.mhd")) for kind in ("oct", "reference"))
        assert label_NHW.shape == volume.image_NHW.shape
        assert label_NHW.dtype == np.uint8
        for geometry in (itk.spacing, itk.origin):
            assert list(geometry(image)) == list(geometry(reference))


def test_facts_agree_with_the_references(drawn: Drawn) -> None:
    for volume, label_NHW in drawn.labelled:
        voxel_mm3 = float(np.prod(volume.spacing))
        for value, fluid in enumerate(FLUIDS, start=1):
            voxels = int((label_NHW == value).sum())
            assert volume.facts["fluid_voxels"][fluid] == voxels
            assert volume.facts["fluid_mm3"][fluid] == pytest.approx(voxels * voxel_mm3, abs=1e-6)
            assert (fluid in volume.facts["fluids"]) == (voxels > 0)
        assert label_NHW.max() <= 3


def test_every_vendor_has_every_fluid_and_a_volume_without(drawn: Drawn) -> None:
    for vendor in ("Cirrus", "Spectralis", "Topcon"):
        found = [set(volume.facts["fluids"]) for volume, _ in drawn.labelled if volume.facts["vendor"] == vendor]
        assert set().union(*found) == set(FLUIDS)
        assert set() in found


def test_unlabelled_volumes_have_facts_but_no_reference(drawn: Drawn) -> None:
    without = [volume for volume in drawn.volumes if volume.label_NHW is None]
    assert [volume.facts["name"] for volume in without] == ["Cirrus/TRAIN004", "Topcon/TRAIN011", "Topcon/TRAIN012"]
    assert not any(volume.facts["labelled"] for volume in without)
    assert all(set(volume.facts["fluid_mm3"]) == set(FLUIDS) for volume in without)


@pytest.mark.parametrize("name", ["foveas.csv", "phantoms.json"])
def test_fovea_can_be_read_by_evaluation(drawn: Drawn, name: str) -> None:
    items = [
        {
            "name": volume.facts["name"],
            "physical": True,
            "size": list(volume.image_NHW.shape[1:]),
            "num_slices": len(volume.image_NHW),
            "spacing": list(volume.spacing),
        }
        for volume in drawn.volumes
    ]
    foveas = read_fovea(drawn.folder / name, volumes=items)
    assert len(foveas) == len(drawn.volumes) == 12
    for volume in drawn.volumes:
        fovea = foveas[volume.facts["name"]]
        assert fovea.slice == volume.facts["fovea"]["slice"]
        assert 1.5 < fovea.x_mm < 4.5


def test_bytes_depend_on_the_seed_and_not_on_the_number_of_workers(phantoms: ModuleType, tmp_path: Path) -> None:
    made = [
        phantoms.make_phantoms(tmp_path / str(n), workers=workers, progress=False, **(TINY | {"seed": seed}))
        for n, (workers, seed) in enumerate([(1, 2), (2, 2), (1, 3)])
    ]
    serial, parallel, other = map(digests, made)
    assert serial == parallel
    assert serial["RETOUCH-TrainingSet-Cirrus/TRAIN001/oct.raw"] not in other.values()


def test_a_finished_set_is_not_drawn_again(
    phantoms: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = phantoms.ensure_phantoms(tmp_path, progress=False, **TINY)
    monkeypatch.setattr(phantoms, "draw_all", None)
    as_lists = {key: list(value) if isinstance(value, tuple) else value for key, value in TINY.items()}
    assert phantoms.ensure_phantoms(tmp_path, progress=False, **as_lists) == first
    assert phantoms.phantom_dir(tmp_path, **(TINY | {"seed": 9})) != first
    assert json.loads((first / "phantoms.json").read_text())["parameters"]["volumes"] == [1, 1, 1]


def test_interrupted_build_leaves_nothing(
    phantoms: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupt(*_: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(phantoms, "write_foveas", interrupt)
    with pytest.raises(KeyboardInterrupt):
        phantoms.make_phantoms(tmp_path / "set", progress=False, **TINY)
    assert list(tmp_path.iterdir()) == []


def test_a_folder_with_files_is_not_touched(phantoms: ModuleType, tmp_path: Path) -> None:
    (tmp_path / "mine.txt").write_text("mine")
    with pytest.raises(DataError, match="not empty"):
        phantoms.make_phantoms(tmp_path, progress=False, **TINY)
    assert [path.name for path in tmp_path.iterdir()] == ["mine.txt"]


@pytest.mark.parametrize(
    "wrong",
    [
        {"volumes": (1, 1)},
        {"unlabelled": (0, -1, 0)},
        {"scale": 0.01},
        {"scale": 2.0},
        {"slice_scale": 0.0},
        {"volumes": 3},
        {"scale": "half"},
    ],
)
def test_wrong_parameters_are_refused(phantoms: ModuleType, tmp_path: Path, wrong: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match=next(iter(wrong))):
        phantoms.ensure_phantoms(tmp_path, **(TINY | wrong))
    assert list(tmp_path.iterdir()) == []


def test_no_volume_at_all_is_refused(phantoms: ModuleType, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="no volume"):
        phantoms.make_phantoms(tmp_path / "set", volumes=(0, 0, 0))
