"""The data doctor on phantoms that are sound, and broken in every way it knows."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from shared.doctor import ERROR, NOTE, WARNING, Diagnosis, format_diagnosis, write_diagnosis
from shared.errors import DataError

pytestmark = pytest.mark.usefixtures("pets_scripts")


def examine(folder: Path, **options: Any) -> Diagnosis:
    from scripts.doctor import examine as look

    return look(folder, **options)


def kinds(diagnosis: Diagnosis, severity: str) -> set[str]:
    return {finding.kind for finding in diagnosis.of(severity)}


def about(diagnosis: Diagnosis, kind: str) -> str:
    return " | ".join(str(finding) for finding in diagnosis.findings if finding.kind == kind)


def test_phantoms_are_healthy_and_their_oddities_are_told(phantom_pets: Path, tmp_path: Path) -> None:
    diagnosis = examine(phantom_pets)
    assert diagnosis.exit_status == 0
    assert diagnosis.phantom
    assert kinds(diagnosis, ERROR) == set()
    assert kinds(diagnosis, WARNING) == {"trimap without pet"}
    assert kinds(diagnosis, NOTE) == {"phantom data", "another format inside", "image that is not RGB", "stray files"}
    assert "a PNG called .jpg" in about(diagnosis, "another format inside")
    assert "a GIF called .jpg" in about(diagnosis, "another format inside")
    assert "CMYK" in about(diagnosis, "image that is not RGB")
    text = format_diagnosis(diagnosis)
    assert "trainval.txt" in text
    assert "healthy: 0 errors, 1 warning" in text
    written = {path.name for path in write_diagnosis(diagnosis, tmp_path / "out")}
    assert written == {"doctor.json", "doctor.csv", "doctor.png"}
    with Image.open(tmp_path / "out" / "doctor.png") as sheet:
        assert min(sheet.size) > 500


def test_everything_broken_is_found_at_once(pets: Path) -> None:
    images, trimaps, xmls = pets / "images", pets / "annotations" / "trimaps", pets / "annotations" / "xmls"
    (images / "Phantom_Cat_1_2.jpg").unlink()
    content = (images / "phantom_dog_2_1.jpg").read_bytes()
    (images / "phantom_dog_2_1.jpg").write_bytes(content[: len(content) // 2])
    (images / "phantom_dog_2_2.jpg").write_bytes(b"nothing")
    Image.fromarray(np.full((9, 9), 1, np.uint8)).save(trimaps / "phantom_dog_4_1.png")
    with Image.open(trimaps / "phantom_dog_4_2.png") as trimap:
        Image.fromarray(np.asarray(trimap) + 7).save(trimaps / "phantom_dog_4_2.png")
    box = xmls / "Phantom_Cat_3_1.xml"
    box.write_text(box.read_text().replace("<xmin>", "<xmin>9"))
    (images / "phantom_dog_6_2.jpg").write_bytes((images / "phantom_dog_6_1.jpg").read_bytes())
    with Image.open(images / "phantom_dog_6_1.jpg") as image:
        size = image.size
    for name in ("phantom_dog_6_1", "phantom_dog_6_2"):
        whole = np.full(size[::-1], 1, np.uint8)
        Image.fromarray(whole).save(trimaps / f"{name}.png")
    diagnosis = examine(pets)
    assert diagnosis.exit_status == 1
    assert "Phantom_Cat_1_2" in about(diagnosis, "missing or impossible label")
    assert "Phantom_Cat_3_1.xml has a box turned round" in about(diagnosis, "missing or impossible label")
    assert "phantom_dog_2_2" in about(diagnosis, "image that cannot be read")
    refused = about(diagnosis, "file that the loader refuses")
    assert all(name in refused for name in ("phantom_dog_2_1", "phantom_dog_4_1", "phantom_dog_4_2"))
    assert "values [8" in refused
    assert "phantom_dog_6_1, phantom_dog_6_2: the same file" in about(diagnosis, "copies in training and test")
    quick = examine(pets, quick=True)
    assert "phantom_dog_4_1" in about(quick, "file that the loader refuses")
    assert "phantom_dog_4_2" not in about(quick, "file that the loader refuses")


def test_a_head_box_beside_the_pet(pets: Path) -> None:
    trimap = pets / "annotations" / "trimaps" / "Phantom_Cat_3_1.png"
    from scripts.head_box import read_head_box

    left, top, right, bottom = map(int, read_head_box(pets / "annotations" / "xmls" / "Phantom_Cat_3_1.xml") or ())
    with Image.open(trimap) as image:
        values = np.array(image)
    values[top:bottom, left:right] = 2
    Image.fromarray(values).save(trimap)
    assert "Phantom_Cat_3_1: only 0%" in about(examine(pets), "head box beside the pet")


def test_what_the_reader_refuses_is_one_finding(pets: Path, tmp_path: Path) -> None:
    (pets / "annotations" / "list.txt").write_text("Phantom_Cat_1_1 40 1 1\n")
    refused = examine(pets)
    assert refused.exit_status == 1
    assert "breed 40" in str(refused.findings[-1])
    assert examine(tmp_path / "nothing").exit_status == 1


def test_a_breed_of_two_species(pets: Path) -> None:
    for name in ("trainval", "list"):
        file = pets / "annotations" / f"{name}.txt"
        file.write_text(file.read_text().replace("Phantom_Cat_1_1 1 1", "Phantom_Cat_1_1 1 2"))
    assert "breed 1 is listed as cat and as dog" in about(examine(pets, quick=True), "breed of two species")


@pytest.mark.real
def test_the_real_images(real_pets: Path) -> None:
    diagnosis = examine(real_pets)
    assert diagnosis.exit_status == 0
    assert kinds(diagnosis, ERROR) == set()
    assert [row[2:] for row in diagnosis.tables[0].rows] == [[160, 2, 157], [80, 1, 79]]


def check_before_training(folder: Path, **options: Any) -> None:
    from scripts.doctor import check_before_training as check

    tasks = [{"name": "pet", "kind": "mask"}, {"name": "box", "kind": "box"}]
    check(folder, **{"tasks": tasks} | options)


def test_errors_stop_a_training_before_it_starts(pets: Path, caplog: pytest.LogCaptureFixture) -> None:
    check_before_training(pets)
    assert "will not be learned" not in caplog.text
    (pets / "annotations" / "trimaps" / "phantom_dog_2_1.png").unlink()
    with pytest.raises(DataError, match=r"(?s)has 1 error.*phantom_dog_2_1.*python -m shared doctor bundles/pets_mtl"):
        check_before_training(pets)
    check_before_training(pets, allow_missing=True)
    assert "missing or impossible label" in caplog.text


def test_a_task_without_labels_is_named(pets: Path, caplog: pytest.LogCaptureFixture) -> None:
    for file in (pets / "annotations" / "xmls").glob("*.xml"):
        file.unlink()
    check_before_training(pets)
    assert "no image has a label for box, which will not be learned" in caplog.text
