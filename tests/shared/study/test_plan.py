"""What a study file means, and what is refused before anything is run."""

import json

import fire
import pytest

from shared.errors import ConfigError, DataError
from shared.study.bundle import find_bundle
from shared.study.plan import Study
from shared.study.stages import folder_name
from tests.support.study import METRICS, write_study


def test_every_combination_is_a_row_less_what_is_skipped_and_all_first_seeds_come_first(toys):
    skip = [{"method": "better", "fraction": "full"}]
    ceiling = {"label": "Everything (1/1)", "keys": {"epochs": 4}}
    study = Study(write_study(toys, skip=skip, rows=[ceiling]))
    assert [row.label for row in study.rows] == ["plain, half", "plain, full", "better, half", "Everything (1/1)"]
    names = [run.name for run in study.runs]
    rows = ["plain-half", "plain-full", "better-half", "everything_1_1"]
    assert names == [f"{row}/seed_{seed}" for seed in (0, 1) for row in rows]


def test_patterns_replace_levels_and_labels_name_rows(toys):
    study = Study(write_study(toys))
    controls = {row.label: study.control_of(row) for row in study.rows}
    assert controls["better, half"].label == "plain, half"
    assert controls["better, full"].label == "plain, full"
    assert controls["plain, half"] is None
    study = Study(write_study(toys, control="plain, full", rows=[{"label": "more"}]))
    assert [study.control_of(row) and study.control_of(row).label for row in study.rows] == [
        "plain, full", None, "plain, full", "plain, full", "plain, full",
    ]  # fmt: skip


def test_commands_carry_values_exactly(toys):
    values = {"method": "1/8", "fraction": 0.1, "fail": False, "models_dir": 'it\'s "2024"'}
    study = Study(write_study(toys), keys={key: value for key, value in values.items() if key != "models_dir"})
    command = study.runs[0].stages[0].command(output_dir="/a b/c", models_dir="")
    taken = {}
    fire.Fire(lambda run_id, **keys: taken.update(keys), command=command[4:])
    names = [file.rsplit("/", 1)[-1] for file in taken.pop("config_file")]
    assert names == ["train.json", "half.json"]
    expected = {"method": "1/8", "fraction": 0.1, "fail": False, "seed": 0, "output_dir": "/a b/c", "models_dir": ""}
    assert taken == expected


def test_the_digest_follows_files_and_keys_and_the_evaluation_follows_its_training(toys):
    def digests(**changes):
        return [stage.digest for run in Study(write_study(toys, **changes)).runs for stage in run.stages]

    first = digests()
    assert len(set(first)) == len(first) == 16
    assert digests(title="Other", seeds=[0, 1]) == first
    evaluation = digests(evaluate={"keys": {"split": "validation"}})
    assert evaluation[::2] == first[::2]
    assert not set(evaluation[1::2]) & set(first[1::2])
    assert not set(digests(keys={"epochs": 5})) & set(first)
    config = toys / "bundles" / "toy" / "configs" / "half.json"
    config.write_text(json.dumps({"fraction": 0.5, "_desc_": "a remark"}))
    assert digests() == first
    config.write_text(json.dumps({"fraction": 0.25}))
    changed = [new != old for new, old in zip(digests(), first, strict=True)]
    assert changed == [True, True, False, False] * 4


def test_folds_and_seed_keys(toys):
    study = Study(write_study(toys, folds={"key": "fold", "values": [1, 2]}, seed_keys=["seed", "epochs"], seeds=[3]))
    assert study.runs[0].name == "plain-half/seed_3/fold_1"
    assert study.runs[0].stages[0].keys | {} == {"seed": 3, "epochs": 3, "fold": 1}


@pytest.mark.parametrize(
    ("changes", "kind", "text"),
    [
        ({"seed": [1]}, ConfigError, "seed (did you mean seeds?)"),
        ({"seeds": []}, ConfigError, "has no seeds"),
        ({"seeds": [0, 0]}, ConfigError, "seed 0 stands twice"),
        ({"seeds": [0.5]}, ConfigError, "whole numbers"),
        ({"seeds": 3}, ConfigError, "seeds in"),
        ({"metrics": []}, ConfigError, "has no metrics"),
        ({"factors": {}}, ConfigError, "has no rows"),
        ({"bundle": "toi"}, ConfigError, "which is not to be found"),
        ({"overlays": ["halv"]}, ConfigError, "no overlay 'halv' (did you mean half?)"),
        ({"evaluate": {"overlays": ["evaluation"]}}, ConfigError, "did you mean evaluate?"),
        ({"keys": {"epoch": 1}}, ConfigError, "--epoch: did you mean --epochs?"),
        ({"keys": {"epoch": 1}}, ConfigError, "row 'plain, half' of "),
        ({"keys": {"epochs": "many"}}, ConfigError, "a whole number"),
        ({"keys": {"seed": 1}}, ConfigError, "sets seed"),
        ({"keys": {"output_dir": "x"}}, ConfigError, "sets output_dir"),
        ({"evaluate": {"keys": {"splt": "test"}}}, ConfigError, "--splt: did you mean --split?"),
        ({"control": "plain"}, ConfigError, "control: there is no row 'plain'"),
        ({"control": {"metod": "plain"}}, ConfigError, "did you mean method?"),
        ({"control": {"method": "plane"}}, ConfigError, "did you mean plain?"),
        ({"gap": {"floor": {"method": "plain"}}}, ConfigError, "gap has no ceiling"),
        ({"delta_m": {"Dise": "plain, half"}}, ConfigError, "no metric 'Dise' (did you mean Dice?)"),
        ({"plot": {"x": "fractions"}}, ConfigError, "did you mean fraction?"),
        ({"metrics": [{"name": "a", "file": "b.csv"}]}, ConfigError, "has no column"),
        ({"metrics": [METRICS[0] | {"better": "larg"}]}, ConfigError, "larger or smaller"),
        ({"metrics": [METRICS[0] | {"colum": 1}]}, ConfigError, "did you mean column?"),
        (
            {"metrics": [METRICS[0] | {"control": "plain"}]},
            ConfigError,
            "control of metric 'Dice': there is no row 'plain'",
        ),
        ({"metrics": METRICS * 2}, ConfigError, "metric Dice, score stands twice"),
        ({"evaluate": None, "metrics": [METRICS[0] | {"stage": "evaluation"}]}, ConfigError, "has no `evaluate`"),
        ({"rows": [{"keys": {}}]}, ConfigError, "no label"),
        ({"rows": [{"label": "Plain, half"}]}, ConfigError, "plain-half stands twice"),
        ({"folds": {"key": "fold"}}, ConfigError, "a key and its values"),
    ],
)
def test_what_cannot_work_is_refused_with_the_nearest_name(toys, changes, kind, text):
    with pytest.raises(kind) as caught:
        Study(write_study(toys, **changes))
    assert text in str(caught.value)


@pytest.mark.parametrize(
    ("metric", "text"),
    [
        ({"file": "per_eye.csv"}, "evaluation in toy writes no file 'per_eye.csv' (did you mean per_photograph.csv?)"),
        ({"stage": "training"}, "training in toy writes no file 'per_photograph.csv' (its evaluation does)"),
        (
            {"column": "dise"},
            "metric 'Dice': per_photograph.csv of toy (evaluation) has no column 'dise'",
        ),
        ({"subject": "nam"}, "no column 'nam' (did you mean name?)"),
        ({"where": {"eye": "left"}}, "correct `where` of the metric"),
        ({"file": "history.json", "column": "dice"}, "history.json of toy (training) has no column 'dice'"),
    ],
)
def test_a_metric_that_no_run_will_have_is_refused_before_anything_runs(toys, metric, text):
    with pytest.raises(ConfigError) as caught:
        Study(write_study(toys, metrics=[METRICS[0] | metric]))
    assert text in str(caught.value)


def test_declared_columns_may_be_patterns_and_what_is_not_declared_is_not_checked(toys):
    unknown = [METRICS[0] | {"file": "per_eye.csv"}]
    assert Study(write_study(toys, metrics=[METRICS[0] | {"column": "error"}])).metrics[0].column == "error"
    file = toys / "bundles" / "toy" / "scripts" / "measured.py"
    file.write_text("COLUMNS = {}")
    with pytest.raises(ConfigError, match="has no MEASURED"):
        Study(write_study(toys))
    file.unlink()
    assert Study(write_study(toys, metrics=unknown)).metrics[0].file == "per_eye.csv"


def test_files_that_are_no_study(toys):
    with pytest.raises(DataError, match="no study file"):
        Study("studies/none.json")
    (toys / "broken.json").write_text("{")
    with pytest.raises(DataError, match="is not JSON"):
        Study("broken.json")


def test_a_bundle_is_found_by_name_from_elsewhere_and_by_its_folder(toys, monkeypatch):
    study = write_study(toys)
    monkeypatch.chdir("/")
    assert find_bundle("toy", study=study) == toys / "bundles" / "toy"
    assert find_bundle(str(toys / "bundles" / "toy"), study=study) == toys / "bundles" / "toy"


def test_labels_become_folder_names():
    assert folder_name("Mean teacher, 1/8") == "mean_teacher-1_8"
    assert folder_name("../..") == "row"
