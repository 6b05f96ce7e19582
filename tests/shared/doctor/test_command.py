"""The command line: what it refuses, what it says, and its exit status."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

from shared.__main__ import COMMANDS, main
from shared.doctor.command import find_bundle
from shared.workflow.enter import forget_scripts

BUNDLES = Path(__file__).resolve().parents[3] / "bundles"
BUNDLE = """
from shared.doctor import Diagnosis

def examine(dataset_dir, *, quick, cache_dir):
    diagnosis = Diagnosis(str(dataset_dir), quick=quick)
    diagnosis.add({severity!r}, "kind", "message", "subject")
    return diagnosis
"""


@pytest.fixture(autouse=True)
def _clean_path(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(sys, "path", list(sys.path))
    forget_scripts()
    monkeypatch.setenv("EYE_BUNDLES_HOME", str(tmp_path / "home"))


def bundle(folder: Path, severity: str = "warning") -> Path:
    for name, text in {
        "configs/metadata.json": "{}",
        "scripts/__init__.py": "",
        "scripts/doctor.py": BUNDLE.format(severity=severity),
    }.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return folder


def run(*arguments: str) -> int:
    with pytest.raises(SystemExit) as ended:
        main(list(arguments))
    return int(ended.value.code or 0)


def test_alone_it_lists_the_commands(capsys: pytest.CaptureFixture[str]) -> None:
    main([])
    shown = capsys.readouterr().out
    for name, command in COMMANDS.items():
        assert re.search(rf"^  {name} +{re.escape(command.purpose)}$", shown, flags=re.M)


def test_listing_commands_imports_nothing_heavy() -> None:
    code = "import sys, shared.__main__ as m; m.main([]); assert not {'torch', 'monai', 'fire'} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True, capture_output=True)


@pytest.mark.parametrize(("severity", "status"), [("note", 0), ("warning", 0), ("error", 1)])
def test_exit_status_and_files(tmp_path: Path, severity: str, status: int, capsys: pytest.CaptureFixture[str]) -> None:
    root = bundle(tmp_path / "bundle", severity)
    assert run("doctor", str(root), "--dataset_dir", str(tmp_path), f"--output_dir={tmp_path / 'out'}") == status
    assert "subject: message" in capsys.readouterr().out
    assert json.loads((tmp_path / "out" / "doctor.json").read_text())["check"] == "full"


def test_folder_that_looks_like_a_number_and_default_output(tmp_path: Path) -> None:
    assert run("doctor", str(bundle(tmp_path / "eyes")), "--quick", "--dataset_dir", "2024") == 0
    content = json.loads((tmp_path / "home" / "runs" / "doctor" / "eyes" / "doctor.json").read_text())
    assert (content["dataset_dir"], content["check"]) == ("2024", "quick")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["docter"], "did you mean doctor"),
        (["doctor", "BUNDLE", "--datset_dir", "x"], "did you mean --dataset_dir"),
        (["doctor", "BUNDLE", "--dataset_dir", "x", "--zzz"], "no flag --zzz"),
        (["doctor", "BUNDLE", "again", "--dataset_dir", "x"], "'again' too much"),
        (["doctor", "BUNDLE"], "dataset_dir"),
        (["doctor", "BUNDLE", "--dataset_dir", "x", "--quick=maybe"], "--quick is 'maybe'"),
        (["doctor", "BUNDLE", "--dataset_dir", "x", "--examples=0"], "--examples is 0"),
        (["doctor", "nowhere", "--dataset_dir", "x"], "nowhere is no folder"),
        (["doctor", "EMPTY", "--dataset_dir", "x"], "is no bundle"),
        (["doctor", "WITHOUT", "--dataset_dir", "x"], "has no data doctor"),
    ],
)
def test_usage_errors(tmp_path: Path, arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "empty").mkdir()
    (bundle(tmp_path / "without") / "scripts" / "doctor.py").unlink()
    folders = {
        "BUNDLE": str(bundle(tmp_path / "bundle")),
        "EMPTY": str(tmp_path / "empty"),
        "WITHOUT": str(tmp_path / "without"),
    }
    assert run(*[folders.get(argument, argument) for argument in arguments]) == 2
    assert message in capsys.readouterr().err
    assert not (tmp_path / "home").exists()


def test_output_folder_that_cannot_be_written(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "file").write_text("")
    root = bundle(tmp_path / "bundle")
    assert run("doctor", str(root), "--dataset_dir", "x", "--output_dir", str(tmp_path / "file" / "out")) == 2
    assert "cannot write" in capsys.readouterr().err


@pytest.mark.parametrize("name", sorted(path.parents[1].name for path in BUNDLES.glob("*/configs/metadata.json")))
def test_every_bundle_of_the_collection_has_a_doctor(name):
    assert find_bundle(str(BUNDLES / name)) == BUNDLES / name
