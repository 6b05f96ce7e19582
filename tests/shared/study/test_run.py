"""Studies run, are interrupted, changed and continued; what fails is reported and the rest goes on."""

import csv
import json

import pytest

from shared.__main__ import main
from shared.study import command
from shared.study.collect import Results
from shared.study.plan import Study
from shared.study.table import compute
from tests.support.study import METRICS, InThisProcess, write_study


@pytest.fixture
def run_study(toys, monkeypatch):
    """Run the study file as the command does, in this process; returns the executor and the exit status."""

    def run(*arguments, stop_after=None, **changes):
        executor = InThisProcess(stop_after=stop_after)
        monkeypatch.setattr(command, "local_executor", lambda jobs: executor)
        try:
            main(["study", str(write_study(toys, **changes)), "--output_dir", str(toys / "out"), *arguments])
        except SystemExit as ended:
            return executor, ended.code
        return executor, 0

    return run


def rows(file):
    with file.open() as content:
        return list(csv.DictReader(content))


def test_a_study_trains_evaluates_compares_and_is_not_repeated(run_study, toys, capsys):
    executor, status = run_study()
    assert status == 0
    assert len(executor.started) == 16
    assert executor.started[:2] == ["plain-half/seed_0 training", "plain-half/seed_0 evaluating"]
    printed = capsys.readouterr().out
    assert "PHANTOM DATA: Toys" in printed
    assert "This study settles nothing: it has 2 seeds" in printed
    assert (toys / "out" / "table.md").read_text().strip() in printed
    table = rows(toys / "out" / "results.csv")
    assert len(table) == 16
    wanted = {"row": "better, half", "method": "better", "seed": "1", "metric": "score", "commit": "c0ffee"}
    (found,) = [row for row in table if wanted.items() <= row.items()]
    assert float(found["value"]) == pytest.approx(0.5 + 0.1 + 0.02)
    assert (found["split"], found["phantom"], found["subjects"]) == ("validation", "True", "0")
    assert {row["split"] for row in table if row["metric"] == "Dice"} == {"test"}
    compared = {(row["row"], row["metric"]): row for row in rows(toys / "out" / "comparisons.csv")}
    assert float(compared["better, full", "Dice"]["difference"]) == pytest.approx(0.1)
    assert compared["better, full", "Dice"]["subjects"] == "4"
    assert (toys / "out" / "study.png").stat().st_size > 10_000
    assert not (toys / "models").exists()
    executor, status = run_study()
    assert (executor.started, status) == ([], 0)
    assert (toys / "out" / "table.md").read_text().strip() in capsys.readouterr().out


def test_runs_are_children_of_one_mlflow_run_that_goes_on(run_study, toys, store):
    from mlflow import MlflowClient

    run_study()
    record = json.loads((toys / "out" / "tracking.json").read_text())
    run_study(seeds=[0, 1, 2])
    assert json.loads((toys / "out" / "tracking.json").read_text()) == record
    client = MlflowClient(store)
    parent = client.get_run(record["run_id"])
    assert parent.info.status == "FINISHED"
    assert parent.data.metrics["score/better__half"] == pytest.approx(0.6 + (0 + 0.02 + 0.04) / 3)
    assert {item.path for item in client.list_artifacts(record["run_id"])} >= {"table.md", "results.csv", "study.png"}


def test_an_interrupted_study_goes_on_where_it_stopped(run_study, toys, capsys):
    executor, status = run_study(stop_after=5)
    assert status == 130
    assert executor.stopped
    printed = capsys.readouterr()
    assert "the same command goes on" in printed.err
    assert "Incomplete: 2 of 8 runs are finished" in printed.out
    executor, status = run_study()
    assert status == 0
    assert len(executor.started) == 11
    # The fifth had trained; only its evaluation was left.
    assert executor.started[0] == "better-half/seed_0 evaluating"
    assert all(file.read_text() == "x" for file in (toys / "out").rglob("trained.txt"))


def test_a_changed_file_repeats_what_it_changes_and_keeps_the_rest(run_study, toys, capsys):
    run_study()
    capsys.readouterr()
    executor, _ = run_study(seeds=[0, 1, 2], evaluate={"keys": {"split": "validation"}})
    assert len([name for name in executor.started if name.endswith("training")]) == 4
    assert len([name for name in executor.started if name.endswith("evaluating")]) == 12
    methods = [{"label": "plain"}, {"label": "better", "keys": {"method": "better", "epochs": 4}}]
    fractions = [{"label": "half", "overlays": ["half"]}, {"label": "full"}]
    capsys.readouterr()
    executor, status = run_study(
        seeds=[0, 1, 2], evaluate={"keys": {"split": "validation"}},
        factors={"method": methods, "fraction": fractions},
    )  # fmt: skip
    assert status == 0
    assert {name.split("-")[0] for name in executor.started} == {"better"}
    assert len(executor.started) == 12
    printed = capsys.readouterr().out
    assert "better-half/seed_0: was another training, which is now in" in printed
    kept = list((toys / "out" / "replaced").rglob("history.json"))
    assert len(kept) == 6
    assert len(json.loads((toys / "out" / "better-half" / "seed_0" / "history.json").read_text())) == 5


def test_an_unfinished_run_of_another_command_is_not_continued(run_study, toys):
    run_study(stop_after=1)
    state = json.loads((toys / "out" / "plain-half" / "seed_0" / "study_training.json").read_text())
    (toys / "out" / "plain-half" / "seed_0" / "study_training.json").write_text(
        json.dumps(state | {"status": "started"})
    )
    run_study(keys={"epochs": 2})
    assert len(list((toys / "out" / "replaced").rglob("trained.txt"))) == 1
    assert len(json.loads((toys / "out" / "plain-half" / "seed_0" / "history.json").read_text())) == 3


def test_what_fails_is_reported_with_its_log_and_tried_again_next_time(run_study, toys, capsys):
    broken = [{"label": "good"}, {"label": "bad", "keys": {"fail": True}}]
    changes = {"factors": {"kind": broken}, "control": "good"}
    executor, status = run_study(**changes)
    assert status == 1
    printed = capsys.readouterr()
    log = toys / "out" / "bad" / "seed_0" / "training.log"
    assert f"FAILED bad/seed_0 (training): ValueError: seed 0 cannot be trained\n  log: {log}" in printed.err
    assert "Incomplete: 2 of 4 runs" in printed.out
    assert len([name for name in executor.started if name.startswith("good")]) == 4
    executor, status = run_study(**changes)
    assert (len(executor.started), status) == (2, 1)


def test_a_training_that_was_stopped_is_not_taken_for_finished(run_study, toys, capsys):
    _, status = run_study(rows=[{"label": "long", "keys": {"epochs": 9}}], factors=None, control=None)
    assert status == 1
    assert "stopped before its end" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("metric", "text"),
    [
        ({"column": "dise"}, "no column 'dise' in"),
        ({"file": "per_eye.csv"}, "expected: metrics.csv, metrics.json, per_photograph.csv"),
        ({"file": "metrics.csv", "column": "value", "subject": ""}, "2 of 2 rows of"),
        (
            {"file": "metrics.csv", "column": "value", "subject": "", "where": {"metric": "dce"}},
            "(metric: dice, iou)",
        ),
    ],
    ids=["column", "file", "several rows", "no row"],
)
def test_a_metric_that_no_run_has_says_what_there_is(run_study, toys, capsys, metric, text):
    # Then nothing is known before the runs.
    (toys / "bundles" / "toy" / "scripts" / "measured.py").unlink()
    metrics = [{key: value for key, value in (METRICS[0] | metric).items() if value != ""}]
    _, status = run_study(metrics=metrics, seeds=[0])
    assert status != 0
    assert text in capsys.readouterr().err
    executor, status = run_study(metrics=[METRICS[0]], seeds=[0])
    assert (executor.started, status) == ([], 0)


def test_a_finished_run_that_cannot_be_read_is_named_at_every_start(run_study, toys, capsys):
    changes = {"factors": None, "rows": [{"label": "one"}, {"label": "two"}], "control": "one", "metrics": [METRICS[0]]}
    _, status = run_study(seeds=[0], **changes)
    assert status == 0
    (toys / "out" / "two" / "seed_0" / "evaluation" / "per_photograph.csv").unlink()
    capsys.readouterr()
    for _ in range(2):
        executor, status = run_study(seeds=[0], **changes)
        assert (executor.started, status) == ([], 1)
        printed = capsys.readouterr().err
        assert "FAILED two/seed_0 (evaluation): metric 'Dice': no per_photograph.csv in" in printed
        assert "FAILED one" not in printed


def test_rows_from_a_table_by_their_columns(run_study, toys):
    where = {"task": "OD", "metric": "iou"}
    run_study(metrics=[{"name": "IoU", "file": "metrics.csv", "column": "value", "where": where}], seeds=[0])
    values = {row["row"]: float(row["value"]) for row in rows(toys / "out" / "results.csv")}
    assert values["better, full"] == pytest.approx((0.5 + 0.2) / 2)


def test_folds_are_pooled_by_subject_and_numbers_averaged(run_study, toys):
    changes = {"folds": {"key": "fold", "values": [0, 1, 2]}, "seeds": [0]}
    executor, status = run_study(**changes)
    assert (len(executor.started), status) == (24, 0)
    plan = Study(write_study(toys, **changes))
    results = Results(plan, toys / "out")
    assert results.values(plan.row("plain, half"), "Dice").shape == (1, 12)
    assert results.values(plan.row("plain, half"), "score") == pytest.approx(0.5)
    (toys / "out" / "plain-half" / "seed_0" / "fold_1" / "study_training.json").unlink()
    results = Results(plan, toys / "out")
    assert next(item.row for item in compute(results).summaries if item.metric == "score") == "plain, full"


def test_dry_run_lists_and_runs_nothing(run_study, toys, capsys):
    executor, status = run_study("--dry_run")
    assert (executor.started, status) == ([], 0)
    lines = capsys.readouterr().out.splitlines()
    assert lines[1] == "8 runs of toy"
    assert lines[2] == "waiting   plain-half/seed_0: train+half --seed=0"
    assert not (toys / "out").exists()
    run_study(stop_after=3)
    capsys.readouterr()
    run_study("--dry_run", keys={"epochs": 2})
    assert {line.split()[0] for line in capsys.readouterr().out.splitlines()[2:]} == {"changed", "waiting"}


def test_tables_alone_and_two_studies_at_once(run_study, toys, capsys):
    run_study(stop_after=4)
    capsys.readouterr()
    executor, status = run_study("--tables")
    assert (executor.started, status) == ([], 0)
    assert "Incomplete: 2 of 8" in capsys.readouterr().out
    with command.only_study(toys / "out"):
        _, status = run_study()
    assert status == 2
    assert "another process runs the study" in capsys.readouterr().err


def test_keys_and_data_from_the_command_line(run_study, toys, capsys):
    run_study("--keys", "{'epochs':5}")
    assert len(json.loads((toys / "out" / "plain-half" / "seed_0" / "history.json").read_text())) == 6
    _, status = run_study("--keys", "epochs")
    assert status == 2
    assert "names with values" in capsys.readouterr().err
