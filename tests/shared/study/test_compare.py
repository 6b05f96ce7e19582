"""Shares of a gap and the multi-task gain by hand; what the table says about them."""

import numpy as np
import pytest

from shared.study.collect import Cell, Results
from shared.study.plan import Study
from shared.study.table import compute, markdown, markdown_table, metric_table
from tests.support.study import write_study


@pytest.fixture
def results(toys):
    """Results of a study whose numbers are given: ``{(row, metric): [one per seed]}``, a list there per subject."""

    # A bundle that does not say what its runs write: the metrics here are made up.
    (toys / "bundles" / "toy" / "scripts" / "measured.py").unlink()

    def make(values, **changes):
        study = Study(write_study(toys, evaluate=None, **changes))
        results = Results(study, toys / "out")
        results.facts = {run.name: {"commit": "c"} for run in study.runs}
        results.finished = study.runs
        for run in study.runs:
            for metric in study.metrics:
                numbers = values.get((run.row.label, metric.name))
                if numbers is not None:
                    value = numbers[study.seeds.index(run.seed)]
                    subjects = {f"eye {j}": v for j, v in enumerate(value)} if isinstance(value, list) else {}
                    results.cells[run.name, metric.name] = Cell(run, metric.name, float(np.mean(value)), subjects)
        return results

    return make


def metric(name, **more):
    return {"name": name, "file": "metrics.csv", "column": name} | more


def test_share_of_the_gap_by_hand(results):
    values = {("plain", "a"): [0.4, 0.5, 0.6], ("teacher", "a"): [0.5, 0.6, 0.7], ("all", "a"): [0.8, 0.9, 1.0]}
    rows = [{"label": "plain"}, {"label": "teacher"}, {"label": "all"}]
    found = results(
        values, factors=None, rows=rows, seeds=[0, 1, 2], metrics=[metric("a")], control="plain",
        gap={"floor": "plain", "ceiling": "all"},
    )  # fmt: skip
    (share,) = compute(found).shares
    assert share.row == "teacher"
    assert (share.share, share.low, share.high) == pytest.approx((0.25, 0.25, 0.25))
    assert share.gap == pytest.approx(0.4)
    text = metric_table(found, compute(found), found.study.metrics[0])
    assert "25% [25%, 25%]" in text
    assert "+0.100 [0.100, 0.100]" in text
    assert "< 0.001" in text


def test_a_metric_may_be_compared_with_a_row_of_its_own(results):
    values = {("seg", "a"): [0.4, 0.6], ("both", "a"): [0.5, 0.7], ("both", "b"): [0.5, 0.6], ("cls", "b"): [0.3, 0.6]}
    rows = [{"label": "seg"}, {"label": "both"}, {"label": "cls"}]
    metrics = [metric("a"), metric("b", control="cls")]
    found = results(values, factors=None, rows=rows, metrics=metrics, control="seg")
    compared = [(item.metric, item.row, item.control, item.difference) for item in compute(found).comparisons]
    assert compared == [("a", "both", "seg", pytest.approx(0.1)), ("b", "both", "cls", pytest.approx(0.1))]
    assert "Control: seg." in metric_table(found, compute(found), found.study.metrics[0])
    assert "Control: cls." in metric_table(found, compute(found), found.study.metrics[1])


def test_no_share_of_a_gap_that_may_not_exist(results):
    values = {("plain", "a"): [0.4, 0.6], ("teacher", "a"): [0.5, 0.5], ("all", "a"): [0.6, 0.5]}
    rows = [{"label": "plain"}, {"label": "teacher"}, {"label": "all"}]
    found = results(
        values, factors=None, rows=rows, metrics=[metric("a")], control="plain",
        gap={"floor": "plain", "ceiling": "all"},
    )  # fmt: skip
    assert "no gap established" in metric_table(found, compute(found), found.study.metrics[0])


def test_one_seed_establishes_no_gap(results):
    values = {("plain", "a"): [0.4], ("teacher", "a"): [0.5], ("all", "a"): [0.6]}
    rows = [{"label": "plain"}, {"label": "teacher"}, {"label": "all"}]
    found = results(
        values, factors=None, rows=rows, seeds=[0], metrics=[metric("a")], control="plain",
        gap={"floor": "plain", "ceiling": "all"},
    )  # fmt: skip
    assert "no gap established" in metric_table(found, compute(found), found.study.metrics[0])


def test_gap_by_pattern_has_a_floor_for_each_level(results):
    values = {
        ("plain, half", "a"): [0.2, 0.3], ("plain, full", "a"): [0.6, 0.7],
        ("better, half", "a"): [0.4, 0.5], ("better, full", "a"): [0.6, 0.7],
    }  # fmt: skip
    ends = {"floor": {"method": "plain"}, "ceiling": {"method": "plain", "fraction": "full"}}
    found = results(values, metrics=[metric("a")], gap=ends)
    shares = {item.row: item for item in compute(found).shares}
    assert set(shares) == {"better, half"}
    assert shares["better, half"].floor == "plain, half"
    assert shares["better, half"].share == pytest.approx(0.5)


def test_multi_task_gain_by_hand_with_its_direction(results):
    values = {
        ("both", "dice"): [0.9, 0.8], ("both", "error"): [2.0, 1.0],
        ("dice only", "dice"): [0.8, 0.8], ("error only", "error"): [4.0, 2.0],
    }  # fmt: skip
    found = results(
        values, factors=None, control=None, rows=[{"label": "both"}, {"label": "dice only"}, {"label": "error only"}],
        metrics=[metric("dice"), metric("error", better="smaller")],
        delta_m={"dice": "dice only", "error": "error only"},
    )  # fmt: skip
    (gain,) = compute(found).gains
    assert gain.row == "both"
    assert gain.delta_m == pytest.approx(100 * (0.05 / 0.8 + 1.5 / 3) / 2)
    each = [100 * (0.125 + 0.5) / 2, 100 * (0.0 + 0.5) / 2]
    assert gain.deviation == pytest.approx(np.std(each, ddof=1))
    assert (gain.low, gain.high) == pytest.approx((min(each), max(each)))
    assert "Delta_m" in markdown(found, compute(found))
    assert "No dice: error only." in markdown(found, compute(found))
    assert "error (smaller is better)" in markdown(found, compute(found))


def test_differences_are_paired_by_seed_and_subject(results):
    """A row that is better by the same amount on every eye of very different difficulty: certain all the same."""
    random = np.random.default_rng(0)
    plain = random.uniform(0.1, 0.9, (6, 8))
    better = plain + 0.02 + 0.001 * random.standard_normal((6, 8))
    values = {("plain", "a"): plain.tolist(), ("better", "a"): better.tolist()}
    found = results(
        values, factors=None, rows=[{"label": "plain"}, {"label": "better"}], seeds=list(range(6)),
        metrics=[metric("a", subject="name")], control="plain",
    )  # fmt: skip
    tables = compute(found)
    (item,) = tables.comparisons
    assert item.p_holm < 1e-4
    assert item.p_sign_flip == pytest.approx(2 / 64)
    assert 0.018 < item.low < item.high < 0.022
    assert item.smallest_difference < 0.005
    assert (item.seeds, item.subjects) == (6, 8)
    summary = tables.summaries[0]
    assert summary.deviation == pytest.approx(plain.mean(1).std(ddof=1))
    assert summary.high - summary.low > 0.05
    assert "settles nothing" not in markdown(found, tables)
    assert "| subjects |" in markdown(found, tables)


def test_one_seed_has_no_deviation_and_no_test(results):
    values = {("plain", "a"): [0.4], ("better", "a"): [0.5]}
    found = results(
        values, factors=None, rows=[{"label": "plain"}, {"label": "better"}], seeds=[4], metrics=[metric("a")],
        control="plain",
    )  # fmt: skip
    tables = compute(found)
    assert np.isnan(tables.comparisons[0].p)
    text = markdown(found, tables)
    assert "it has 1 seed, and" in text
    line = next(line for line in text.splitlines() if line.startswith("| better"))
    assert [cell.strip() for cell in line.strip("|").split("|")] == ["better", "1", "0.500", "+0.100", "", ""]


def test_markdown_is_aligned():
    lines = markdown_table(["a", "bcd"], [["xyz", "1"]]).splitlines()
    assert lines == ["| a   | bcd |", "|-----|-----|", "| xyz | 1   |"]
