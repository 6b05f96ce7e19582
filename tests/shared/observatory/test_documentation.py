"""What docs/losses.md says exists: views, flags, losses, and the overlay that saves snapshots."""

from __future__ import annotations

import json
import re
import shlex

import pytest

from shared.__main__ import check_flags
from shared.comparison.command import compare
from shared.comparison.records import OVERLAY as RECORD_OVERLAY
from shared.observatory import make_losses
from shared.observatory.choice import split_losses
from shared.observatory.command import VIEWS, losses
from shared.observatory.snapshots import OVERLAY
from tests.support.bundle import REPOSITORY

TEXT = (REPOSITORY / "docs" / "losses.md").read_text()
LINES = re.findall(r"(?:^python -m shared |`)(losses (?:[a-z]+)[^`\n]*)", TEXT, flags=re.M)


def test_every_view_is_documented() -> None:
    assert {shlex.split(line)[1] for line in LINES} == set(VIEWS)


@pytest.mark.parametrize("line", LINES)
def test_flags_and_losses_exist(line: str) -> None:
    words = shlex.split(line)
    check_flags("losses", words[1:], losses)
    if "--losses" in words:
        assert make_losses(split_losses(words[words.index("--losses") + 1]))


def test_other_flags_in_the_text_exist() -> None:
    for flag in re.findall(r"`(--\w+)", TEXT):
        if flag not in ("--config_file", "--epoch", "--names"):
            check_flags("losses", [flag], losses)


def test_the_overlay_is_that_of_the_error() -> None:
    snapshots, photographs = re.findall(r"```json\n(.*?)```", TEXT, flags=re.S)
    assert json.loads(snapshots) == json.loads(OVERLAY)
    assert json.loads(photographs) == json.loads(RECORD_OVERLAY)


def test_studies_and_the_other_commands_exist() -> None:
    for file in re.findall(r"studies/\w+\.json|bundles/\w+/configs/\w+\.json", TEXT):
        assert (REPOSITORY / file).is_file(), file
    for flag in ("--epoch", "--names"):
        assert f"`{flag} " in TEXT
        check_flags("compare", [flag], compare)
