"""Folders of drawn data: named by parameters, complete or absent, never two builders, never over somebody's files."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import pytest

from shared.errors import DataError
from shared.phantoms import build_folder, ensure_folder, folder_of, is_phantom, only_one, phantom_facts

PARAMETERS = {"number": 3, "seed": 0}


def fill(folder: Path) -> dict[str, Any]:
    (folder / "picture").write_bytes(b"drawn")
    return {"pictures": ["picture"]}


def build(folder: Path) -> Path:
    return build_folder(folder, fill, label="PHANTOMS: drawn.\n", parameters=PARAMETERS)


def test_a_finished_folder_is_labelled_and_says_what_it_holds(tmp_path: Path) -> None:
    folder = ensure_folder(tmp_path / "deep" / "set", build)
    assert is_phantom(folder)
    assert phantom_facts(folder) == {"parameters": PARAMETERS, "pictures": ["picture"]}
    label = (folder / "PHANTOMS.txt").read_text()
    assert label.startswith("PHANTOMS: drawn.")
    assert '"seed": 0' in label
    assert not is_phantom(tmp_path)


def test_the_name_depends_on_the_parameters_and_not_on_their_order() -> None:
    assert folder_of("a", "set", {"x": 1, "y": 2}) == folder_of("a", "set", {"y": 2, "x": 1})
    assert folder_of("a", "set", {"x": 1, "y": 2}) != folder_of("a", "set", {"x": 1, "y": 3})
    assert folder_of("a", "set", PARAMETERS).name.startswith("set_")


def test_it_is_made_once(tmp_path: Path) -> None:
    made: list[Path] = []

    def slow(folder: Path) -> None:
        made.append(folder)
        build(folder)

    callers = [threading.Thread(target=ensure_folder, args=(tmp_path / "set", slow)) for _ in range(4)]
    for caller in callers:
        caller.start()
    for caller in callers:
        caller.join(30)
    assert made == [tmp_path / "set"]


def test_a_failure_leaves_nothing(tmp_path: Path) -> None:
    def failing(folder: Path) -> dict[str, Any]:
        fill(folder)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        build_folder(tmp_path / "set", failing, label="", parameters={})
    assert list(tmp_path.iterdir()) == []


def test_somebody_elses_files_are_safe(tmp_path: Path) -> None:
    (tmp_path / "mine").write_text("mine")
    with pytest.raises(DataError, match="not empty"):
        build(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["mine"]


def test_a_place_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("not a folder")
    with pytest.raises(DataError, match="cannot be written"):
        ensure_folder(tmp_path / "file" / "set", build)


def test_what_a_killed_builder_left_is_cleared(tmp_path: Path) -> None:
    left_over = tmp_path / ".set.building-abc"
    left_over.mkdir()
    with only_one(tmp_path / "set"):
        assert not left_over.exists()
