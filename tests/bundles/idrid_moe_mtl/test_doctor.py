"""The data doctor on phantoms that are broken in every way it knows, all at once and one at a time."""

from __future__ import annotations

import logging
import shutil
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from shared.doctor import ERROR, NOTE, WARNING, Diagnosis, format_diagnosis, write_diagnosis
from shared.errors import DataError

pytestmark = pytest.mark.usefixtures("idrid_scripts")

TRAIN, TEST = "a. Training Set", "b. Testing Set"
IMAGES_A, IMAGES_B = "A. Segmentation/1. Original Images", "B. Disease Grading/1. Original Images"
MASKS = "A. Segmentation/2. All Segmentation Groundtruths"
FOLDERS = {
    "MA": "1. Microaneurysms",
    "HE": "2. Haemorrhages",
    "EX": "3. Hard Exudates",
    "SE": "4. Soft Exudates",
    "OD": "5. Optic Disc",
}
TASKS: list[dict[str, Any]] = [
    {"name": "RG", "kind": "grade", "num_classes": 5},
    {"name": "MER", "kind": "grade", "num_classes": 3},
    *({"name": name, "kind": "mask"} for name in FOLDERS),
]


def examine(folder: Path, **options: Any) -> Diagnosis:
    from scripts.doctor import examine as look

    return look(folder, **options)


def check_before_training(folder: Path, **options: Any) -> None:
    from scripts.doctor import check_before_training as check

    check(folder, tasks=TASKS, **options)


@pytest.fixture
def data(phantom_idrid: Path, tmp_path: Path) -> Path:
    """A sound copy to break."""
    return Path(shutil.copytree(phantom_idrid, tmp_path / "idrid"))


def image(root: Path, name: str) -> Path:
    part, subset, number = name.split("/")
    folder = root / (IMAGES_A if part == "A" else IMAGES_B) / (TRAIN if subset == "train" else TEST)
    return folder / f"IDRiD_{number}.jpg"


def mask(root: Path, subset: str, number: str, kind: str) -> Path:
    return root / MASKS / (TRAIN if subset == "train" else TEST) / FOLDERS[kind] / f"IDRiD_{number}_{kind}.tif"


def table(root: Path, subset: str) -> Path:
    wanted = {"train": "Training", "test": "Testing"}[subset]
    return next((root / "B. Disease Grading/2. Groundtruths").glob(f"*{wanted}*.csv"))


def edit(path: Path, change: Callable[[list[str]], list[str]]) -> None:
    path.write_text("\n".join(change(path.read_text().splitlines())) + "\n")


def grade(root: Path, subset: str, number: str, *values: str) -> None:
    """Replace the row of a photograph."""
    stem = f"IDRiD_{number}"
    row = ",".join([stem, *values])
    edit(table(root, subset), lambda lines: [row if line.startswith(f"{stem},") else line for line in lines])


def save_mask(path: Path, mask_HW: np.ndarray) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(mask_HW.astype(np.uint8)).save(path)


def pixels(path: Path) -> np.ndarray:
    return np.asarray(Image.open(path)) > 0


def kinds(diagnosis: Diagnosis, severity: str) -> Counter[str]:
    return Counter(finding.kind for finding in diagnosis.of(severity))


def subjects(diagnosis: Diagnosis, kind: str) -> str:
    return " | ".join(str(finding) for finding in diagnosis.findings if finding.kind == kind)


def break_everything(root: Path) -> None:
    """One of every defect, each on photographs of its own."""
    photograph = image(root, "A/train/01")
    photograph.write_bytes(photograph.read_bytes()[: photograph.stat().st_size // 2])
    save_mask(mask(root, "train", "02", "MA"), np.zeros((90, 90)))
    values = np.zeros((178, 268), np.uint8)
    values[80:90, 80:90] = 128
    save_mask(mask(root, "train", "03", "MA"), values)
    mask(root, "train", "04", "OD").unlink()
    exudates = mask(root, "train", "05", "EX")
    save_mask(exudates, ~(pixels(exudates) if exudates.exists() else np.zeros((178, 268), bool)))
    shutil.copy(mask(root, "train", "06", "OD"), mask(root, "train", "06", "HE"))
    mask(root, "train", "07", "MA").write_bytes(b"")
    for kind in FOLDERS:
        mask(root, "train", "08", kind).unlink(missing_ok=True)
    shutil.copy(mask(root, "train", "03", "OD"), mask(root, "train", "99", "OD"))
    (image(root, "A/train/01").parent / "notes.txt").write_text("not a photograph")
    Image.fromarray(np.zeros((178, 268), np.uint8)).save(mask(root, "train", "04", "SE").with_suffix(".jpg"))
    save_mask(mask(root, "test", "09", "SE"), np.zeros((178, 268)))
    shutil.copy(mask(root, "test", "10", "OD"), mask(root, "test", "10", "OD").with_suffix(".png"))
    shutil.move(mask(root, "test", "11", "OD"), mask(root, "test", "11", "MA").parent)

    Image.new("RGB", (268, 178)).save(image(root, "B/train/001"))
    image(root, "B/train/002").write_bytes(b"")
    Image.open(image(root, "B/train/003")).convert("L").save(image(root, "B/train/003"), quality=95)
    shutil.copy(image(root, "B/train/004"), image(root, "B/train/004").with_name("idrid_004.JPG"))
    shutil.copy(image(root, "B/train/005"), image(root, "B/train/005").with_suffix(".png"))
    edit(table(root, "train"), lambda lines: [line for line in lines if not line.startswith("IDRiD_006,")])
    edit(table(root, "train"), lambda lines: [*lines, "IDRiD_999,1,1", "IDRiD_010,1,1"])
    grade(root, "train", "007", "5", "0")
    grade(root, "train", "008", "severe", "1")
    grade(root, "train", "009", "1", "")
    grade(root, "train", "011", "-1", "0")
    Image.new("RGB", (60, 60), (200, 100, 50)).save(image(root, "B/train/012"))
    dim = Image.open(image(root, "B/train/013")).point(lambda value: value // 5)
    dim.save(image(root, "B/train/013"), quality=98)
    shutil.copy(image(root, "B/test/005"), image(root, "B/train/014"))
    # The same photograph again, with masks that contradict its grade.
    shutil.copy(image(root, "A/test/12"), image(root, "B/test/003"))
    shutil.copy(image(root, "A/test/12"), image(root, "B/test/004"))
    grade(root, "test", "003", "0", "0")
    grade(root, "test", "004", "3", "2")
    centres = next(root.glob("C.*/**/*Fovea_Center_Training*.csv"))
    bad = {"IDRiD_016": "IDRiD_016,99999,10", "IDRiD_015": "IDRiD_015,left,10"}
    edit(centres, lambda lines: [bad.get(line.split(",")[0], line) for line in lines])
    edit(centres, lambda lines: [*lines, "IDRiD_777,50,60", "IDRiD_014,50,60"])


ERRORS = {
    "photograph that cannot be read": (1, "IDRiD_01.jpg"),
    "photograph file of 0 bytes": (1, "IDRiD_002.jpg"),
    "photograph too small": (1, "B/train/IDRiD_012"),
    "no fundus photograph": (2, "IDRiD_001.jpg"),
    "photograph named twice": (2, "idrid_004.JPG"),
    "photograph without a row": (2, "B/train/IDRiD_006"),
    "mask of another size": (1, "IDRiD_02_MA.tif"),
    "mask with other values than 0, 1 and 255": (1, "128"),
    "mask file of 0 bytes": (1, "IDRiD_07_MA.tif"),
    "mask without photograph": (1, "IDRiD_99_OD.tif"),
    "mask named twice": (1, "IDRiD_10_OD"),
    "row without photograph": (1, "IDRiD_999"),
    "two rows of one photograph": (1, "IDRiD_010"),
    "grade out of range": (2, "IDRiD_011 is '-1'"),
    "grade is no whole number": (1, "'severe'"),
    "grade missing": (1, "IDRiD_009 is ''"),
}
WARNINGS = {
    "optic disc mask absent": "A/train/IDRiD_04",
    "photograph without masks": "A/train/IDRiD_08",
    "mask likely inverted or an alpha channel": "IDRiD_05_EX.tif",
    "lesion on the optic disc": "IDRiD_06_HE.tif",
    "mask in another folder": "IDRiD_11_OD.tif",
    "stray file": "IDRiD_04_SE.jpg",
    "dark photograph": "B/train/IDRiD_013",
    "leak between training and test": "B/train/IDRiD_014",
    "grade 0 in spite of lesions": "A/test/IDRiD_12, B/test/IDRiD_003",
    "no edema risk in spite of exudates": "A/test/IDRiD_12, B/test/IDRiD_003",
    "copies with different grades": "B/test/IDRiD_003, B/test/IDRiD_004",
    "centre outside the photograph": "B/train/IDRiD_016",
    "centre is no number": "'left'",
    "two centres of one photograph": "IDRiD_014",
}
NOTES = {
    "phantom data": "drawn",
    "no file means that the lesion is absent": "SE",
    "empty mask": "IDRiD_09_SE.tif",
    "stray file": "notes.txt",
    "grey, palette or alpha photograph": "B/train/IDRiD_003",
    "mask that is no palette file": "colour with alpha",
    "centre without photograph": "IDRiD_777",
    "what is done about leaks": "leakage_free",
    "duplicate within a part": "B/test/IDRiD_004",
}
NEEDS_PIXELS = {
    "no fundus photograph",
    "mask with other values than 0, 1 and 255",
    "mask likely inverted or an alpha channel",
    "lesion on the optic disc",
    "dark photograph",
    "grade 0 in spite of lesions",
    "no edema risk in spite of exudates",
    "copies with different grades",
}


def test_every_defect_of_one_data_set_is_found(data: Path, tmp_path: Path) -> None:
    break_everything(data)
    before = {path: path.stat().st_mtime_ns for path in data.rglob("*")}
    diagnosis = examine(data, cache_dir=tmp_path / "cache")
    assert kinds(diagnosis, ERROR) == {kind: count for kind, (count, _) in ERRORS.items()}
    for kind, needle in {kind: needle for kind, (_, needle) in ERRORS.items()}.items():
        assert needle in subjects(diagnosis, kind), kind
    assert set(kinds(diagnosis, WARNING)) == set(WARNINGS)
    assert set(NOTES) - set(kinds(diagnosis, NOTE)) == set()
    for kind, needle in (WARNINGS | NOTES).items():
        assert needle in subjects(diagnosis, kind) or kind == "stray file", kind
    assert {"notes.txt", "IDRiD_04_SE.jpg"} == {
        Path(f.subjects[0]).name for f in diagnosis.findings if f.kind == "stray file"
    }
    assert diagnosis.exit_status == 1
    assert diagnosis.phantom
    assert {path: path.stat().st_mtime_ns for path in data.rglob("*")} == before
    assert {path.name for path in write_diagnosis(diagnosis, tmp_path / "out")} == {
        "doctor.json",
        "doctor.csv",
        "doctor.png",
    }


def test_quick_part_finds_all_that_needs_no_pixels(data: Path) -> None:
    break_everything(data)
    quick = examine(data, quick=True)
    wanted = {kind: count for kind, (count, _) in ERRORS.items() if kind not in NEEDS_PIXELS}
    assert kinds(quick, ERROR) == wanted
    assert set(kinds(quick, WARNING)) >= set(WARNINGS) - NEEDS_PIXELS
    assert not NEEDS_PIXELS & {finding.kind for finding in quick.findings}
    assert "quick check" in format_diagnosis(quick)


def test_sound_data_are_healthy_and_true_twins_are_found(phantom_idrid: Path) -> None:
    from scripts.phantoms import phantom_facts

    diagnosis = examine(phantom_idrid)
    assert diagnosis.exit_status == 0
    assert set(kinds(diagnosis, WARNING)) <= {"leak between training and test"}
    found = {
        frozenset(finding.subjects)
        for finding in diagnosis.findings
        if finding.kind in ("leak between training and test", "duplicate within a part", "photograph in both parts")
    }
    assert found == {frozenset(group) for group in phantom_facts(phantom_idrid)["twins"]}
    grades = next(table for table in diagnosis.tables if "(RG)" in table.title)
    assert [row[-1] for row in grades.rows] == [16, 8]
    assert [sum(row[1:-1]) for row in grades.rows] == [16, 8]
    shown = {sample.caption.rsplit("/", 1)[0] for sample in diagnosis.samples}
    assert shown == {"A/train", "A/test", "B/train", "B/test"}


def test_jpeg_cut_anywhere_is_found_by_the_quick_part(data: Path) -> None:
    photograph = image(data, "B/train/001")
    content = photograph.read_bytes()
    for length in (10, len(content) // 10, len(content) // 2, len(content) - 40):
        photograph.write_bytes(content[:length])
        quick = examine(data, quick=True)
        assert kinds(quick, ERROR) == {"photograph that cannot be read": 1}, length


READER_REFUSES: dict[str, Callable[[Path], object]] = {
    "mask without photograph": lambda root: image(root, "A/train/02").unlink(),
    "photograph named twice": lambda root: shutil.copy(
        image(root, "A/train/02"), image(root, "A/train/02").with_suffix(".png")
    ),
    "mask named twice": lambda root: shutil.copy(
        mask(root, "train", "02", "OD"), mask(root, "train", "02", "OD").with_suffix(".png")
    ),
    "no masks at all": lambda root: shutil.rmtree(root / MASKS / TRAIN),
    "table of grades": lambda root: table(root, "train").unlink(),
    "row without photograph": lambda root: image(root, "B/train/002").unlink(),
    "photograph without a row": lambda root: edit(table(root, "test"), lambda lines: lines[:-1]),
    "grade out of range": lambda root: grade(root, "train", "003", "2", "3"),
    "grade is no whole number": lambda root: grade(root, "train", "003", "1.5", "0"),
    "grade missing": lambda root: grade(root, "train", "003", "", ""),
    "two rows of one photograph": lambda root: edit(table(root, "train"), lambda lines: [*lines, lines[1]]),
}


@pytest.mark.parametrize("kind", READER_REFUSES)
def test_doctor_and_reader_agree_on_what_is_an_error(data: Path, kind: str) -> None:
    from scripts.idrid import read_idrid

    read_idrid(data)
    check_before_training(data)
    READER_REFUSES[kind](data)
    with pytest.raises(DataError):
        read_idrid(data)
    assert kind in kinds(examine(data, quick=True), ERROR)
    with pytest.raises(DataError, match=kind) as caught:
        check_before_training(data)
    assert "python -m shared doctor bundles/idrid_moe_mtl --dataset_dir" in str(caught.value)


@pytest.mark.parametrize("kind", ["mask without photograph", "row without photograph", "photograph without a row"])
def test_allow_missing_turns_what_does_not_pair_into_warnings(
    data: Path, kind: str, caplog: pytest.LogCaptureFixture
) -> None:
    from scripts.idrid import read_idrid

    READER_REFUSES[kind](data)
    read_idrid(data, allow_missing=True)
    with caplog.at_level(logging.WARNING):
        check_before_training(data, allow_missing=True)
    assert kind in caplog.text


@pytest.mark.parametrize(
    ("header", "needle"),
    [
        ("Image name,Retinopathy", "no column"),
        (f"Image name{2 * ',Retinopathy grade'},Risk of macular edema ", "twice"),
    ],
)
def test_bad_table_header(data: Path, header: str, needle: str) -> None:
    edit(table(data, "train"), lambda lines: [header, *lines[1:]])
    diagnosis = examine(data, quick=True)
    assert set(kinds(diagnosis, ERROR)) >= {"table of grades"}
    assert needle in subjects(diagnosis, "table of grades")


def test_missing_parts_say_what_cannot_be_trained(data: Path, caplog: pytest.LogCaptureFixture) -> None:
    shutil.rmtree(data / "B. Disease Grading")
    shutil.rmtree(data / "C. Localization")
    diagnosis = examine(data, quick=True)
    assert diagnosis.exit_status == 0
    assert [f.severity for f in diagnosis.findings if f.kind == "missing part"] == [WARNING, NOTE, NOTE]
    with caplog.at_level(logging.WARNING):
        check_before_training(data)
    assert "label for RG, which will not be learned" in caplog.text
    assert "label for MA" not in caplog.text


@pytest.mark.parametrize("content", ["nothing", "empty", "file"])
def test_wrong_folder_shows_the_layout(tmp_path: Path, content: str) -> None:
    folder = tmp_path / "data"
    if content == "empty":
        folder.mkdir()
    elif content == "file":
        folder.write_text("")
    diagnosis = examine(folder)
    assert diagnosis.exit_status == 1
    assert "1. Original Images" in format_diagnosis(diagnosis)
    assert {path.name for path in write_diagnosis(diagnosis, tmp_path / "out")} == {"doctor.json", "doctor.csv"}
    with pytest.raises(DataError, match="is not IDRiD"):
        check_before_training(folder)


def test_training_is_told_the_first_errors_and_where_to_see_all(data: Path) -> None:
    for number in range(1, 8):
        grade(data, "train", f"00{number}", "9", "0")
    with pytest.raises(DataError, match="has 7 errors") as caught:
        check_before_training(data)
    text = str(caught.value)
    assert text.count("grade out of range") == 5
    assert "and 2 more" in text


def test_published_centres_of_scaled_photographs_are_inside(data: Path) -> None:
    """Part C counts pixels of 4288x2848 although the photographs are small."""
    for file in data.glob("C.*/**/*.csv"):
        lines = [line.split(",")[:3] for line in file.read_text().splitlines()]
        for row in lines:
            if row[0].startswith("IDRiD"):
                row[1:] = [str(float(value) * 16) for value in row[1:]]
        file.write_text("\n".join(",".join(row) for row in lines) + "\n")
    assert "centre outside the photograph" not in {f.kind for f in examine(data, quick=True).findings}


@pytest.mark.real
def test_real_data_are_healthy(real_idrid: Path) -> None:
    """Known of the data as lent: 3 byte-identical pairs within part B, HE of photograph 43 absent, no test parts."""
    diagnosis = examine(real_idrid, quick=True)
    assert diagnosis.exit_status == 0
    assert kinds(diagnosis, WARNING) == {}
    assert kinds(diagnosis, NOTE)["duplicate within a part"] == 3
    assert "1 of 54 photographs have no HE file (A/train/IDRiD_43)" in format_diagnosis(diagnosis)
