"""The data doctor on volumes that are broken in every way it knows."""

from __future__ import annotations

import logging
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from shared.doctor import ERROR, NOTE, WARNING, Diagnosis, format_diagnosis, write_diagnosis
from shared.errors import ConfigError, DataError
from tests.support.volumes import draw_labels, draw_volume, write_mhd, write_retouch

pytestmark = pytest.mark.usefixtures("retouch_scripts")

SPACING = (0.05, 0.04, 0.1)  # the small volumes then cover 0.96 x 3.2 mm


def examine(folder: Path, **options: Any) -> Diagnosis:
    from scripts.doctor import examine as look

    return look(folder, **options)


def check_before_training(folder: Path, **options: Any) -> None:
    from scripts.doctor import check_before_training as check

    check(folder, **options)


def volume(root: Path, name: str, *, seed: int, label: Any = None, **options: Any) -> Path:
    folder = root / "RETOUCH-TrainingSet-Cirrus" / name
    write_mhd(folder / "oct.mhd", draw_volume(seed=seed), **{"spacing": SPACING} | options)
    reference = draw_labels() if label is None else label
    write_mhd(folder / "reference.mhd", reference, spacing=SPACING, compress=True)
    return folder


@pytest.fixture
def healthy(tmp_path: Path) -> Path:
    for number in range(3):
        volume(tmp_path / "data", f"TRAIN00{number}", seed=number)
    return tmp_path / "data"


def kinds(diagnosis: Diagnosis, severity: str) -> Counter[str]:
    return Counter(finding.kind for finding in diagnosis.of(severity))


def about(diagnosis: Diagnosis, kind: str) -> str:
    return " | ".join(str(finding) for finding in diagnosis.findings if finding.kind == kind)


def break_everything(root: Path) -> None:
    """One of every defect, each on a volume of its own."""
    scan, label = draw_volume(), draw_labels()
    volume(root, "A01", seed=11, DimSize="32 24 40")
    (volume(root, "A02", seed=12) / "reference.mhd").write_text("nonsense")
    volume(root, "A03", seed=13, label=draw_labels(3))
    volume(root, "A04", seed=14, label=draw_labels(classes=6))
    cut = volume(root, "A05", seed=15, compress=True) / "oct.zraw"
    cut.write_bytes(cut.read_bytes()[:-200])
    (volume(root, "A06", seed=16) / "oct.mhd").unlink()
    write_mhd(volume(root, "A07", seed=17) / "oct.mha", scan)
    volume(root, "B01", seed=21, spacing=(0, 0, 0))
    volume(root, "B02", seed=22, spacing=(50, 40, 100))
    volume(root, "B03", seed=23, origin=(5, 0, 0))
    empty = draw_volume(seed=24)
    empty[2] = 0
    write_mhd(volume(root, "B04", seed=24) / "oct.mhd", empty, spacing=SPACING)
    write_mhd(volume(root, "B05", seed=25) / "oct.mhd", draw_volume(seed=25) // 64, spacing=SPACING)
    flooded = label.copy()
    flooded[3, :12] = 1
    volume(root, "B06", seed=26, label=flooded)
    volume(root, "C01", seed=31)
    write_mhd(volume(root, "C02", seed=32) / "oct.mhd", draw_volume(seed=31), spacing=SPACING)
    volume(root, "C04", seed=34)
    volume(root, "C04L", seed=34)
    repeated = draw_volume(seed=33)
    repeated[3] = repeated[2]
    write_mhd(volume(root, "C03", seed=33) / "oct.mhd", repeated, spacing=SPACING)
    volume(root, "D01", seed=41, label=np.zeros_like(label))
    folder = root / "RETOUCH-TrainingSet-Topcon" / "E01"
    write_mhd(folder / "oct.mhd", draw_volume(1, seed=51), spacing=SPACING)
    write_mhd(folder / "reference.mhd", draw_labels(1), spacing=SPACING)
    write_mhd(root / "RETOUCH-TrainingSet-Topcon" / "E02" / "oct.mhd", draw_volume(seed=52), spacing=SPACING)
    (root / "RETOUCH-TrainingSet-Topcon" / "E03").mkdir()
    (root / "RETOUCH-TrainingSet-Topcon" / "E03" / "notes.txt").write_text("")
    (root / "RETOUCH-TestSet-Topcon").mkdir()


def test_healthy_data(healthy: Path, tmp_path: Path) -> None:
    diagnosis = examine(healthy)
    assert diagnosis.findings == []
    assert diagnosis.exit_status == 0
    tables = {table.title: table for table in diagnosis.tables}
    assert tables["Volumes"].rows == [["Cirrus", 3, 3, 3, 12, 12, "32x24x4", "uint8"]]
    fluids = tables["Fluids (means over volumes with it)"].rows
    voxels = int((draw_labels() == 2).sum())
    assert fluids[1][:5] == ["Cirrus", "2 SRF", 3, 3, 9]
    assert fluids[1][5] == pytest.approx(voxels * np.prod(SPACING))
    assert fluids[1][6] == voxels
    assert len(diagnosis.samples) == 3
    before = sorted((path, path.stat().st_mtime_ns) for path in healthy.rglob("*"))
    assert [file.name for file in write_diagnosis(diagnosis, tmp_path / "out")] == [
        "doctor.json",
        "doctor.csv",
        "doctor.png",
    ]
    assert before == sorted((path, path.stat().st_mtime_ns) for path in healthy.rglob("*"))
    assert len(np.unique(np.asarray(Image.open(tmp_path / "out" / "doctor.png")).reshape(-1, 3), axis=0)) > 100
    check_before_training(healthy)


def test_everything_wrong_at_once(healthy: Path, tmp_path: Path) -> None:
    break_everything(healthy)
    diagnosis = examine(healthy)
    assert kinds(diagnosis, ERROR) == {
        "volume that cannot be read": 2,
        "reference that cannot be read": 1,
        "reference of another size": 1,
        "label that is no class": 1,
        "reference without scan": 1,
        "volume given twice": 1,
    }
    assert kinds(diagnosis, WARNING) == {
        "spacing that is none": 1,
        "implausible spacing": 3,
        "reference with another geometry": 3,
        "empty B-scan": 1,
        "label on an empty B-scan": 1,
        "dark volume": 1,
        "most of a B-scan is fluid": 1,
        "volumes that share B-scans": 1,
        "not read": 1,
    }
    assert kinds(diagnosis, NOTE) == {
        "volume of one B-scan": 1,
        "volume without reference": 1,
        "volume without fluid": 1,
        "volumes that share B-scans": 1,
        "repeated B-scans": 1,
        "vendor with one labelled patient": 1,
        "not read": 1,
    }
    assert "Cirrus/A01: " in about(diagnosis, "volume that cannot be read")
    assert "promises 32x24x40 voxels" in about(diagnosis, "volume that cannot be read")
    assert "Cirrus/A04: values 4 (" in about(diagnosis, "label that is no class")
    assert "Cirrus/C01, Cirrus/C02: 4 B-scans are the same in both, of two patients" in about(
        diagnosis, "volumes that share B-scans"
    )
    assert "Cirrus/B02: its rows cover 960 mm" in about(diagnosis, "implausible spacing")
    assert "Topcon/E01: one B-scan only" in about(diagnosis, "volume of one B-scan")
    assert "1 of " in about(diagnosis, "volume without reference")
    assert diagnosis.exit_status == 1
    assert "NOT HEALTHY: 7 errors" in format_diagnosis(diagnosis)
    assert len(write_diagnosis(diagnosis, tmp_path / "out")) == 3


def test_quick_check_and_training(healthy: Path, caplog: pytest.LogCaptureFixture) -> None:
    break_everything(healthy)
    quick = examine(healthy, quick=True)
    assert quick.quick
    assert "label that is no class" not in kinds(quick, ERROR)
    assert kinds(quick, ERROR)["volume that cannot be read"] == 1
    with pytest.raises(DataError, match="has 5 errors") as caught:
        check_before_training(healthy)
    assert "python -m shared doctor bundles/retouch_meanteacher --dataset_dir" in str(caught.value)
    for name in ("A01", "A02", "A03", "A06", "A07"):
        for file in (healthy / "RETOUCH-TrainingSet-Cirrus" / name).iterdir():
            file.unlink()
    with caplog.at_level(logging.WARNING):
        check_before_training(healthy)
    assert "data doctor: spacing that is none: Cirrus/B01" in caplog.text
    assert "Cirrus/A05" not in caplog.text


def test_unlabelled_folder_is_examined_too(healthy: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    more = write_retouch(tmp_path / "more", {"Cirrus": ["NEW1"]}, unlabelled=["NEW1"])
    check_before_training(healthy, unlabelled_dir=more)
    write_mhd(more / "RETOUCH-TrainingSet-Cirrus" / "NEW1" / "oct.mhd", draw_volume(), DimSize="32 24 9")
    with pytest.raises(DataError, match="promises 32x24x9"):
        check_before_training(healthy, unlabelled_dir=more)
    with pytest.raises(ConfigError, match="the data set itself"):
        check_before_training(healthy, unlabelled_dir=healthy)


def test_what_is_no_data_set(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("")
    diagnosis = examine(tmp_path)
    assert kinds(diagnosis, ERROR) == {"the reader refuses the data set": 1}
    with pytest.raises(DataError, match="holds no OCT volumes"):
        check_before_training(tmp_path)


def test_one_class_of_fluid_and_no_labels_at_all(tmp_path: Path) -> None:
    for number in range(2):
        volume(tmp_path / "one", f"P{number}", seed=number, label=np.minimum(draw_labels(), 1))
    assert "num_classes 2" in about(examine(tmp_path / "one"), "one class of fluid")
    root = write_retouch(tmp_path / "none", {"Cirrus": ["P1", "P2"]}, unlabelled=["P1", "P2"])
    assert kinds(examine(root, quick=True), WARNING)["no labels at all"] == 1


def test_pictures_with_gaps(tmp_path: Path) -> None:
    for kind, voxels in (("orig", draw_volume(6)), ("mask", draw_labels(6))):
        for number in (0, 1, 2, 4, 5):
            path = tmp_path / "Cirrus" / "TRAIN001" / kind / f"{number}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(voxels[number]).save(path)
    diagnosis = examine(tmp_path)
    assert not diagnosis.of(ERROR)
    assert "1 B-scans are missing (3 ...)" in about(diagnosis, "gaps in numbering")
    assert kinds(diagnosis, NOTE)["no spacing in pictures"] == 1
