"""`python -m shared losses`."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest

from shared.__main__ import main


def refused(*arguments: str) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["losses", *arguments])
    assert ended.value.code == 2


def test_curves(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    main(["losses", "curves", "--losses", "dice, focal(gamma=3)", "--output_dir", str(tmp_path), "--rest=1"])
    shown = capsys.readouterr().out
    assert "32 x 32 image" in shown
    assert "true-class logit 1 (p = 0.73)" in shown
    assert (tmp_path / "logit_curves.png").read_bytes().startswith(b"\x89PNG")
    with (tmp_path / "logit_curves.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [rows[0]["loss"], rows[-1]["loss"]] == ["dice", "focal(gamma=3)"]
    middle = next(row for row in rows if row["loss"] == "focal(gamma=3)" and float(row["logit"]) == 0)
    # Half of -(1 - p)^3 log p at p = 1/2, and its slope: MONAI's mean counts both classes.
    assert float(middle["value"]) == pytest.approx(0.5 * 0.5**3 * 0.693147, abs=1e-4)
    assert float(middle["gradient"]) == pytest.approx(-0.5 * 0.125 * (1.5 * 0.693147 + 0.5), abs=1e-5)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["curve"], "one of curves, surface, maps, weights, features, single"),
        (["curves", "--losses", "dyce"], "did you mean 'dice'"),
        (["curves", "--rest", "high"], "--rest is 'high'"),
        (["curves", "--losess", "dice"], "did you mean --losses"),
    ],
)
def test_bad_input(arguments: list[str], message: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    refused(*arguments, "--output_dir", str(tmp_path))
    assert message in capsys.readouterr().err
    assert not list(tmp_path.iterdir())
