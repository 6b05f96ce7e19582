"""The data doctor on optic discs that are broken in every way it knows."""

from __future__ import annotations

import shutil
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from shared.doctor import ERROR, NOTE, WARNING, Diagnosis, format_diagnosis, write_diagnosis
from tests.support.discs import HEIGHT, WIDTH, black_and_white, ellipse, photograph, save
from tests.support.fundus import draw_fundus

pytestmark = pytest.mark.usefixtures("fundus_scripts")


def examine(folder: Path, **options: Any) -> Diagnosis:
    from scripts.doctor import examine as look

    return look(folder, **options)


def kinds(diagnosis: Diagnosis, severity: str) -> Counter[str]:
    return Counter(finding.kind for finding in diagnosis.of(severity))


@pytest.mark.parametrize("source", ["rim_one_r3", "rim_one_dl", "drishti", "refuge", "drions", "idrid_disc"])
def test_healthy_data_have_no_finding(layouts: dict[str, Path], source: str) -> None:
    diagnosis = examine(layouts[source])
    assert diagnosis.findings == []
    assert diagnosis.samples
    assert diagnosis.tables[0].title.endswith(source)


def test_every_defect_is_found_at_once(layouts: dict[str, Path], tmp_path: Path) -> None:
    root = layouts["rim_one_r3"]

    def file(name: str) -> Path:
        return next(root.rglob(name))

    def disc(stem: str, mask: np.ndarray) -> None:
        save(black_and_white(mask), file(f"{stem}-Disc-exp1.png"))

    photograph(file("N-1-L.jpg"), width=2 * WIDTH - 1)
    file("N-1-R.jpg").write_bytes(b"nonsense")
    disc("G-2-L", np.zeros((HEIGHT, WIDTH), bool))
    disc("G-2-R", ellipse(12)[1:])
    disc("N-3-L", ellipse(12, centre=(9, 30)))
    disc("N-3-R", ellipse(5))
    disc("G-4-L", ellipse(3))
    file("G-4-R-Disc-exp1.png").unlink()
    file("N-5-L.jpg").unlink()
    diagnosis = examine(root)
    assert kinds(diagnosis, ERROR) == {
        "mask without photograph": 6,
        "stereo photograph of odd width": 1,
        "photograph that cannot be read": 1,
        "unusable mask": 2,
    }
    warnings = kinds(diagnosis, WARNING)
    assert warnings["disc at the border"] == 1
    assert warnings["readers disagree"] == 3
    assert warnings["reader who left some out"] == 1
    assert {f.subjects[0] for f in diagnosis.findings if f.kind == "cup outside the disc"} == {"N-3-L", "G-4-L"}
    cup = next(finding for finding in diagnosis.findings if finding.kind == "cup outside the disc")
    assert cup.pictures[0].masks["OD"].name.endswith("-Disc-exp1.png")
    disagreement = next(finding for finding in diagnosis.findings if finding.kind == "readers disagree")
    shown = [picture.masks["OD"].name[-8:] for picture in disagreement.pictures]
    assert shown == ["exp1.png", "exp2.png"]
    assert diagnosis.exit_status == 1
    text = format_diagnosis(diagnosis)
    assert "NOT HEALTHY" in text
    assert {path.name for path in write_diagnosis(diagnosis, tmp_path / "out")} == {
        "doctor.json",
        "doctor.csv",
        "doctor.png",
    }


def test_quick_decodes_nothing_but_headers(layouts: dict[str, Path]) -> None:
    root = layouts["rim_one_r3"]
    save(np.zeros((HEIGHT, WIDTH), np.uint8), next(root.rglob("G-2-L-Disc-exp1.png")))
    photograph(next(root.rglob("N-1-L.jpg")), width=2 * WIDTH - 1)
    assert kinds(examine(root, quick=True), ERROR) == {"stereo photograph of odd width": 1}
    assert kinds(examine(root), ERROR) == {"stereo photograph of odd width": 1, "unusable mask": 1}


@pytest.mark.parametrize("quick", [True, False])
def test_one_file_under_two_names(layouts: dict[str, Path], quick: bool) -> None:
    root = layouts["rim_one_r3"]
    shutil.copy(next(root.rglob("N-1-L.jpg")), next(root.rglob("G-4-R.jpg")))
    diagnosis = examine(root, quick=quick)
    assert kinds(diagnosis, WARNING) == {"photograph under several names": 1}
    assert sorted(diagnosis.of(WARNING)[0].subjects) == ["G-4-R", "N-1-L"]
    assert diagnosis.exit_status == 0


def test_one_photograph_in_another_size_and_quality(tmp_path: Path) -> None:
    """Of four drawn eyes, one saved again smaller; quick does not decode and does not see it."""
    for number in range(1, 5):
        pixels = draw_fundus(480, 640, seed=number)
        folder = tmp_path / "images"
        save(pixels, folder / f"image_{number:03d}.png")
        y, x = np.mgrid[:480, :640]
        save(black_and_white(np.hypot(y - 240, x - 320) <= 40), tmp_path / "masks" / f"image_{number:03d}.png")
    again = Image.open(folder / "image_002.png").resize((512, 384))
    again.save(folder / "image_005.jpg", quality=80)
    y, x = np.mgrid[:384, :512]
    save(black_and_white(np.hypot(y - 192, x - 256) <= 32), tmp_path / "masks" / "image_005.png")
    diagnosis = examine(tmp_path, source="drions")
    assert kinds(diagnosis, WARNING) == {"photograph under several names": 1}
    assert diagnosis.of(WARNING)[0].subjects == ("image_002", "image_005")
    assert not examine(tmp_path, source="drions", quick=True).of(WARNING)


def test_a_folder_of_no_source(tmp_path: Path) -> None:
    assert kinds(examine(tmp_path), ERROR) == {"the reader refuses the data set": 1}


def test_phantoms_are_said_to_be_drawn(tmp_path: Path) -> None:
    from scripts.phantoms import make_phantoms

    root = make_phantoms(tmp_path / "drawn", photographs=(2, 0), scale=0.125, progress=False)
    diagnosis = examine(root)
    assert diagnosis.phantom
    assert kinds(diagnosis, NOTE) == {"phantom data": 1}
    assert not diagnosis.of(ERROR) + diagnosis.of(WARNING)
