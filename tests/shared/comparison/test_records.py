"""Runs read back, grouped and named."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from shared.comparison.records import OVERLAY, compare, find_runs, read_record
from shared.errors import ConfigError, DataError


def test_values_are_those_of_the_file(write_run: Callable[..., Path]) -> None:
    comparison = compare([write_run("one", level=0.2)])
    (group,) = comparison.groups
    values_SEJ = comparison.values(group, "validation", "dice_disc")
    expected = 0.2 + 0.1 * np.arange(4)[:, None] + 0.01 * np.arange(3)
    np.testing.assert_allclose(values_SEJ, expected[None])
    halves_SEJ = comparison.values(group, "training", "accuracy_all")
    assert np.isnan(halves_SEJ[:, :, 2]).all()
    assert comparison.phantom


def test_runs_that_differ_by_seed_are_one_group_named_by_what_differs(write_run: Callable[..., Path]) -> None:
    runs = [
        write_run(f"{loss}{seed}", seed=seed, loss_name=loss, run_name=f"{loss}-{seed}", batch_size=4, class_weights=w)
        for loss, w in (("dice", None), ("cross_entropy", [1, 4]))
        for seed in (0, 1)
    ]
    groups = compare(runs).groups
    assert [group.label for group in groups] == [
        "class_weights None, loss_name dice",
        "class_weights [1, 4], loss_name cross_entropy",
    ]
    assert [[record.seed for record in group.records] for group in groups] == [[0, 1], [0, 1]]


def test_parts_that_cannot_be_shown_are_told_apart_by_folder(write_run: Callable[..., Path]) -> None:
    runs = [write_run(name, loss={"_target_": f"{name}.Loss"}, rate=1) for name in ("mine", "yours")]
    assert [group.label for group in compare(runs).groups] == ["mine", "yours"]


def test_names_given(write_run: Callable[..., Path]) -> None:
    runs = [write_run(name, rate=rate) for rate, name in enumerate("abc")]
    assert [(g.label, len(g.records)) for g in compare(runs, names=["p", "q", "p"]).groups] == [("p", 2), ("q", 1)]
    with pytest.raises(ConfigError, match="2 names for 3 runs"):
        compare(runs, names=["p", "q"])


def test_a_study_stands_for_its_runs_with_its_labels(write_run: Callable[..., Path], tmp_path: Path) -> None:
    study = {
        "factors": {"loss": [{"label": "focal, gamma 2"}, {"label": "dice"}], "optimiser": [{"label": "SGD"}]},
        "rows": [{"label": "Plain"}],
    }
    for row in ("focal-gamma_2-sgd", "plain"):
        for seed in (0, 1):
            write_run(f"study/{row}/seed_{seed}", seed=seed)
    (tmp_path / "study" / "study.json").write_text(json.dumps(study))
    groups = compare([tmp_path / "study"]).groups
    assert [(group.label, len(group.records)) for group in groups] == [("focal, gamma 2, SGD", 2), ("Plain", 2)]


def test_bad_input(write_run: Callable[..., Path], tmp_path: Path) -> None:
    run = write_run("run")
    (run / "per_epoch.csv").unlink()
    with pytest.raises(DataError) as error:
        read_record(run)
    assert OVERLAY in str(error.value)
    with pytest.raises(DataError, match="is no folder"):
        find_runs([tmp_path / "nowhere"])
    (tmp_path / "study").mkdir()
    (tmp_path / "study" / "study.json").write_text("{}")
    with pytest.raises(DataError, match="no run of the study"):
        find_runs([tmp_path / "study"])
    for text in ("a,b\n1,2\n", "epoch,part,name,dice\nx,p,n,0.5\n", "epoch,part,name,dice\n"):
        (run / "per_epoch.csv").write_text(text)
        with pytest.raises(DataError, match="cannot be read"):
            read_record(run)
    other = write_run("other")
    (run / "per_epoch.csv").write_text("epoch,part,name,dice_cup\n0,validation,x,0.5\n")
    with pytest.raises(DataError, match="no measure or no data set in common"):
        compare([run, other])
