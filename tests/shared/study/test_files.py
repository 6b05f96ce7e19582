"""Every study of the repository can be planned, and what the page on studies says is so."""

import json
import re
import shlex

import pytest

from shared.__main__ import main
from shared.study.metric import read_metric
from shared.study.plan import Study
from shared.study.schema import STUDY_KEYS
from tests.support.bundle import REPOSITORY

FILES = sorted((REPOSITORY / "studies").glob("*.json"))
PAGE = (REPOSITORY / "docs" / "studies.md").read_text()


@pytest.mark.parametrize("file", FILES, ids=[file.stem for file in FILES])
def test_the_study_can_be_planned(file):
    study = Study(file)
    assert len(study.runs) >= len(study.rows) > 1
    assert any(study.control_of(row) for row in study.rows)


@pytest.mark.parametrize("line", re.findall(r"^python -m shared .*", PAGE, flags=re.M))
def test_documented_commands_are_understood(line, home, monkeypatch, capsys):
    monkeypatch.chdir(REPOSITORY)
    main([*dict.fromkeys([*shlex.split(line)[3:], "--dry_run"])])
    assert "runs of" in capsys.readouterr().out


def test_every_key_is_documented_and_every_documented_metric_is_one():
    rows = re.findall(r"^\| (`.*?) \|", PAGE, flags=re.M)
    assert {key for row in rows for key in re.findall(r"`(\w+)`", row)} | {"title", "note", "skip", "seed_keys"} == set(
        STUDY_KEYS
    )
    examples = re.search(r"```json\n(.*?)```", PAGE, flags=re.S)[1].splitlines()
    names = [read_metric(json.loads(line), place="the page", evaluated=True).name for line in examples]
    assert names == ["Dice OD", "Dice", "score"]
