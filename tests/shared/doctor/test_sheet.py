"""The contact sheet: what it shows, that nothing is cut off, and what it does with files that cannot be shown."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageFont

from shared.doctor import ERROR, NOTE, WARNING, Diagnosis, Picture, Sample, draw_contact_sheet
from shared.doctor.sheet import COLUMNS, TILES_PER_KIND, _rows, _sections
from shared.doctor.tile import TEXT, Tile, wrap


@pytest.fixture
def photograph(tmp_path: Path) -> Path:
    path = tmp_path / "photograph.png"
    Image.new("RGB", (400, 300), (10, 20, 250)).save(path)
    return path


def sheet(diagnosis: Diagnosis, path: Path) -> np.ndarray:
    assert draw_contact_sheet(diagnosis, path)
    return np.asarray(Image.open(path)).astype(int)


def count(picture_HW3: np.ndarray, colour: tuple[int, int, int]) -> int:
    return int((np.abs(picture_HW3 - np.array(colour)).max(axis=-1) <= 3).sum())


def test_nothing_to_show_writes_nothing(tmp_path: Path) -> None:
    diagnosis = Diagnosis("data")
    diagnosis.add(ERROR, "table", "no picture of it")
    assert not draw_contact_sheet(diagnosis, tmp_path / "sheet.png")
    assert not list(tmp_path.iterdir())


def test_photograph_with_its_mask(photograph: Path, tmp_path: Path) -> None:
    mask = np.zeros((300, 400), np.uint8)
    mask[100:200, 100:200] = 1
    Image.fromarray(mask).save(tmp_path / "mask.png")
    diagnosis = Diagnosis("data")
    diagnosis.samples.append(Sample("fine", Picture(photograph)))
    plain = sheet(diagnosis, tmp_path / "a.png")
    diagnosis.samples[0] = Sample("fine", Picture(photograph, {"MA": tmp_path / "mask.png"}))
    painted = sheet(diagnosis, tmp_path / "b.png")
    shown = 267 * 200
    assert count(plain, (10, 20, 250)) == pytest.approx(shown, rel=0.02)
    lesion = shown / 12
    assert count(plain, (10, 20, 250)) - count(painted, (10, 20, 250)) == pytest.approx(lesion, rel=0.15)


def test_files_that_cannot_be_shown_are_grey_tiles(tmp_path: Path) -> None:
    (tmp_path / "broken.jpg").write_bytes(b"\xff\xd8 nothing")
    diagnosis = Diagnosis("data")
    for path in (tmp_path / "broken.jpg", tmp_path / "absent.jpg", tmp_path / "table.csv"):
        diagnosis.add(ERROR, "unreadable", "cannot be read", path.name, pictures=[Picture(path)])
    assert count(sheet(diagnosis, tmp_path / "sheet.png"), (0x4A, 0x4A, 0x4A)) > 3 * 0.95 * 300 * 200


def test_unreadable_mask_leaves_the_photograph(photograph: Path, tmp_path: Path) -> None:
    diagnosis = Diagnosis("data")
    diagnosis.add(WARNING, "mask", "gone", "x", pictures=[Picture(photograph, {"MA": tmp_path / "absent.tif"})])
    assert count(sheet(diagnosis, tmp_path / "sheet.png"), (10, 20, 250)) > 0.9 * 267 * 200


def test_kinds_share_rows_and_long_ones_are_counted(photograph: Path) -> None:
    diagnosis = Diagnosis("data")
    for number in range(40):
        diagnosis.add(WARNING, "leak", "in both", f"photo {number}", pictures=[Picture(photograph)])
    diagnosis.add(WARNING, "pair", "alike", "a", "b", pictures=[Picture(photograph)] * 2)
    diagnosis.add(WARNING, "table", "no picture", "folder/labels.csv")
    diagnosis.add(NOTE, "odd", "no picture either")
    (section,) = _sections(diagnosis)
    assert section.title == "WARNINGS (42)"
    assert [len(group) for group in section.groups] == [1] * TILES_PER_KIND + [2]
    assert section.groups[0][0].heading == f"leak (40, {TILES_PER_KIND} shown)"
    assert [tile.caption for tile in section.groups[-1]] == ["a, b: alike", "b (with the one before)"]
    assert section.lines == ["without picture: table: labels.csv: no picture"]


def test_rows_keep_groups_together(photograph: Path) -> None:
    groups = [[Tile(Picture(photograph), "")] * size for size in (2, 2, 2, 1, 5, 1)]
    assert [len(row) for row in _rows(groups)] == [4, 3, 5, 1]
    assert max(len(row) for row in _rows(groups)) <= COLUMNS


@pytest.mark.parametrize("text", ["a b c", "word " * 40, "x" * 300, "short " + "y" * 100 + " end", ""])
def test_wrapped_lines_fit_and_lose_nothing(text: str) -> None:
    font = ImageFont.load_default(TEXT)
    lines = wrap(text, 120, font)
    assert all(font.getlength(line) <= 120 for line in lines)
    assert "".join(lines).replace(" ", "") == text.replace(" ", "")
