"""Findings counted, grouped, printed and written."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import pytest

from shared.doctor import ERROR, NOTE, WARNING, Diagnosis, Finding, Table, format_diagnosis, write_diagnosis
from shared.errors import DataError


@pytest.fixture
def diagnosis() -> Diagnosis:
    made = Diagnosis("data")
    made.add(NOTE, "odd", "a note")
    for number in range(40):
        made.add(WARNING, "leak", "in both", f"photo {number}", fix="leave it out")
    made.add(ERROR, "broken", "cannot be read", "a.jpg", "b.jpg", fix="copy it again")
    made.tables.append(Table("Grades", ["set", "number"], [["train", 7]]))
    return made


def test_counts_groups_and_exit_status(diagnosis: Diagnosis) -> None:
    assert diagnosis.counts() == {"error": 1, "warning": 40, "note": 1}
    assert list(diagnosis.by_kind()) == [("error", "broken"), ("warning", "leak"), ("note", "odd")]
    assert diagnosis.exit_status == 1
    diagnosis.findings = [finding for finding in diagnosis.findings if finding.severity != ERROR]
    assert diagnosis.exit_status == 0


def test_a_kind_may_have_two_severities() -> None:
    diagnosis = Diagnosis("data")
    diagnosis.add(NOTE, "stray", "one")
    diagnosis.add(WARNING, "stray", "two")
    assert list(diagnosis.by_kind()) == [("warning", "stray"), ("note", "stray")]


def test_unknown_severity() -> None:
    with pytest.raises(ValueError, match="fatal"):
        Finding("fatal", "kind", "message")


def test_text_shows_examples_and_how_many_more(diagnosis: Diagnosis) -> None:
    text = format_diagnosis(diagnosis, examples=3)
    lines = text.splitlines()
    assert text.index("ERROR") < text.index("WARNING") < text.index("NOTE")
    assert "WARNING  leak  (40)" in lines
    assert sum("in both" in line for line in lines) == 3
    assert "         and 37 more" in lines
    assert text.count("leave it out") == 1
    assert "a.jpg, b.jpg: cannot be read" in text
    assert "train       7" in text
    assert lines[-1] == "NOT HEALTHY: 1 error, 40 warnings, 1 note"
    assert "PHANTOM" not in text


def test_phantom_is_said() -> None:
    assert format_diagnosis(Diagnosis("data", phantom=True)).startswith("PHANTOM DATA")


def test_files_hold_every_finding(diagnosis: Diagnosis, tmp_path: Path) -> None:
    (tmp_path / "doctor.png").write_bytes(b"of an earlier diagnosis")
    assert [path.name for path in write_diagnosis(diagnosis, tmp_path)] == ["doctor.json", "doctor.csv"]
    assert not (tmp_path / "doctor.png").exists()
    content = json.loads((tmp_path / "doctor.json").read_text())
    assert content["counts"] == {"error": 1, "warning": 40, "note": 1}
    assert content["findings"][-1] == {
        "severity": "error",
        "kind": "broken",
        "subjects": ["a.jpg", "b.jpg"],
        "message": "cannot be read",
        "fix": "copy it again",
    }
    assert content["tables"] == [{"title": "Grades", "columns": ["set", "number"], "rows": [["train", 7]]}]
    with (tmp_path / "doctor.csv").open(newline="") as stream:
        rows = list(csv.DictReader(stream))
    assert len(rows) == 42
    assert rows[-1]["subjects"] == "a.jpg; b.jpg"


def test_output_that_cannot_be_written(diagnosis: Diagnosis, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(DataError, match="cannot write"):
        write_diagnosis(diagnosis, tmp_path / "file" / "folder")
