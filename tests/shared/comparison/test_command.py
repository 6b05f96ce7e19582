"""`python -m shared compare`."""

from __future__ import annotations

import csv
import re
from collections.abc import Callable
from pathlib import Path

import pytest

from shared.__main__ import main


def test_tables_curves_and_one_page(
    write_run: Callable[..., Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    runs = [write_run(name, level=level, loss_name=f"<{name}>") for name, level in (("1e3", 0.1), ("2024", 0.3))]
    main(["compare", *map(str, runs), "--output_dir", str(tmp_path / "out")])
    shown = capsys.readouterr().out
    assert "validation, last epoch of each run" in shown
    assert "0.410 [0.400, 0.420]" in shown
    out = tmp_path / "out"
    assert {file.name for file in out.iterdir()} == {
        *("curves.csv", "standings.csv", "runs.csv", "comparison.html"),
        *("curves_training.png", "curves_validation.png"),
    }
    with (out / "standings.csv").open() as file:
        rows = list(csv.DictReader(file))
    second = next(row for row in rows if (row["group"], row["part"]) == ("loss_name <2024>", "validation"))
    assert float(second["difference"]) == pytest.approx(0.2)
    with (out / "curves.csv").open() as file:
        assert len(list(csv.DictReader(file))) == 2 * 2 * 2 * 4
    page = (out / "comparison.html").read_text()
    assert "PHANTOM DATA" in page
    assert "loss_name &lt;2024&gt;" in page
    assert "<td>+0.200 [+0.200, +0.200]</td>" in page
    assert page.count("<h2>") == 3
    # Nothing is fetched: plotly stands in the page, once.
    assert not re.findall(r"<(?:script|link|img)[^>]+(?:src|href)=", page)
    assert page.count("plotly.js v") == 1


def test_a_folder_of_digits_and_the_best_epoch(
    write_run: Callable[..., Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    write_run("1_0", best=0)
    monkeypatch.chdir(tmp_path)
    main(["compare", "1_0", "--epoch", "best", "--nopage", "--output_dir", "20"])
    assert "validation, best epoch of each run" in capsys.readouterr().out
    assert not (tmp_path / "20" / "comparison.html").exists()
    assert (tmp_path / "20" / "runs.csv").is_file()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "no run to compare"),
        (["nowhere"], "nowhere is no folder"),
        (["run", "--epoch", "first"], "--epoch is 'first'"),
        (["run", "--name", "a"], "did you mean --names"),
        (["run", "--names", "a;b"], "2 names for 1 runs"),
    ],
)
def test_bad_input(
    arguments: list[str],
    message: str,
    write_run: Callable[..., Path],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    write_run("run")
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit) as ended:
        main(["compare", *arguments])
    assert ended.value.code == 2
    assert message in capsys.readouterr().err
