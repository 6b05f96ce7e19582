import csv
import json
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from ignite.engine import Engine
from sklearn.metrics import accuracy_score, average_precision_score, f1_score, jaccard_score

from shared.errors import DataError
from shared.handlers.evaluation_report import EvaluationReport
from shared.metrics.bootstrap import resample
from shared.metrics.histogram import aupr, average_precision, best_threshold, score_histogram

TASKS = [
    {"name": "RG", "kind": "grade", "num_classes": 5},
    {"name": "MER", "kind": "grade", "num_classes": 3},
    {"name": "MA", "kind": "mask"},
    {"name": "OD", "kind": "mask"},
]


def photographs(count=8, size=(40, 60)):
    generator = np.random.default_rng(0)
    pairs = []
    for index in range(count):
        truth = np.zeros((2, *size), np.uint8)
        if index != 1:
            truth[0, 10:14, 20 + index : 24 + index] = 1
        truth[1, 15:30, 5:20] = 1
        levels = (
            generator.integers(0, 129, size=truth.shape) / 256 + truth * generator.integers(0, 129, truth.shape) / 256
        )
        grades = generator.integers(5), generator.integers(3)
        weights = np.stack([np.eye(3)[index % 2], [0.5, 0.5, 0], [1, 0, 0], [0.2, 0.3, 0.5]])
        output = {
            "pred": torch.from_numpy(levels).float(),
            "RG": torch.from_numpy(generator.dirichlet(1 + 6 * np.eye(5)[grades[0]])),
            "MER": torch.from_numpy(generator.dirichlet(1 + 6 * np.eye(3)[grades[1]])),
            "gate_weights": torch.from_numpy(weights),
        }
        batch = {
            "name": f"A/test/IDRiD_{index:02}",
            "path": f"IDRiD_{index:02}.jpg",
            "leaks": index < 3,
            "labelled": torch.tensor([True, index != 7, index < 6, index < 6]),
            "grades": torch.tensor([grades[0], grades[1] if index != 7 else -1]),
            "masks": torch.from_numpy(truth),
            "image": torch.zeros(3, *size),
        }
        pairs.append((output, batch))
    return pairs


def run(report, pairs, per_batch=3):
    """Through an ignite engine whose state looks like MONAI's after decollation."""

    def step(engine, indices):
        engine.state.batch = [pairs[index][1] for index in indices]
        return [pairs[index][0] for index in indices]

    engine = Engine(step)
    report.attach(engine)
    engine.run([list(range(len(pairs)))[start : start + per_batch] for start in range(0, len(pairs), per_batch)])
    return {(row.subset, row.task, row.metric): row for row in report.rows}


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    folder = tmp_path_factory.mktemp("report")
    report = EvaluationReport(
        TASKS,
        output_dir=folder,
        split="test",
        thresholds={"MA": 0.45},
        samples=100,
        provenance={"dataset": "drawn", "phantom": True, "commit": "abc"},
        means={"mean": ["MA", "OD"], "lesions": ["MA"]},
        pictures=2,
    )
    pairs = photographs()
    return SimpleNamespace(report=report, pairs=pairs, rows=run(report, pairs), folder=folder)


def pooled(pairs, position):
    scores = np.concatenate([output["pred"][position].numpy().ravel() for output, _ in pairs])
    truth = np.concatenate([batch["masks"][position].numpy().ravel() for _, batch in pairs])
    return scores, truth


@pytest.mark.parametrize(("subset", "chosen"), [("all", range(0, 6)), ("official-leak-free", range(3, 6))])
@pytest.mark.parametrize(("task", "position", "threshold"), [("MA", 0, 0.45), ("OD", 1, 0.5)])
def test_mask_numbers_are_scikit_learns(finished, subset, chosen, task, position, threshold):
    scores, truth = pooled([finished.pairs[index] for index in chosen], position)
    rows = {metric: row for (name, of, metric), row in finished.rows.items() if (name, of) == (subset, task)}
    rounded = np.ceil(scores.astype(float) * 65535 - 0.5)
    assert rows["dice"].value == pytest.approx(f1_score(truth, scores > threshold))
    assert rows["iou"].value == pytest.approx(jaccard_score(truth, scores > threshold))
    assert rows["average_precision"].value == pytest.approx(average_precision_score(truth, rounded))
    assert rows["threshold"].value == threshold
    assert rows["dice"].n == len(chosen)
    for metric in ("dice", "iou", "sensitivity", "precision", "average_precision", "aupr_11", "aupr_33"):
        assert rows[metric].low <= rows[metric].value <= rows[metric].high
    assert rows["dice"].low < rows["dice"].high


def test_intervals_are_those_of_a_plain_loop(finished):
    """The same resamples, pooled pixel by pixel."""
    weights = resample(6, samples=100, seed=0)
    loop = {"dice": [], "aupr_11": [], "average_precision": []}
    for weight in weights:
        chosen = [finished.pairs[index] for index in np.repeat(np.arange(6), weight.astype(int))]
        scores, truth = pooled(chosen, 0)
        histogram = score_histogram(scores, truth)
        loop["dice"].append(f1_score(truth, scores > 0.45))
        loop["aupr_11"].append(float(aupr(histogram, 11)))
        loop["average_precision"].append(float(average_precision(histogram)))
    for metric, values in loop.items():
        row = finished.rows["all", "MA", metric]
        assert (row.low, row.high) == pytest.approx(tuple(np.quantile(values, [0.025, 0.975])), abs=1e-9)


def test_grade_numbers_ignore_unlabelled_photographs(finished):
    truth = [int(batch["grades"][1]) for _, batch in finished.pairs[:7]]
    predicted = [int(output["MER"].argmax()) for output, _ in finished.pairs[:7]]
    assert finished.rows["all", "MER", "accuracy"].value == pytest.approx(accuracy_score(truth, predicted))
    assert finished.rows["all", "MER", "accuracy"].n == 7
    assert finished.rows["all", "RG", "accuracy"].n == 8
    joint = [
        int(output["RG"].argmax()) == int(batch["grades"][0]) and int(output["MER"].argmax()) == int(batch["grades"][1])
        for output, batch in finished.pairs[:7]
    ]
    assert finished.rows["all", "RG+MER", "joint_accuracy"].value == pytest.approx(np.mean(joint))
    assert finished.rows["all", "RG+MER", "joint_accuracy"].n == 7
    assert finished.rows["official-leak-free", "RG", "accuracy"].n == 5


def test_means_over_tasks(finished):
    rows = finished.rows
    expected = (rows["all", "MA", "dice"].value + rows["all", "OD", "dice"].value) / 2
    assert rows["all", "mean", "dice"].value == pytest.approx(expected)
    assert rows["all", "lesions", "dice"].value == rows["all", "MA", "dice"].value


def test_files(finished):
    written = json.loads((finished.folder / "metrics.json").read_text())
    assert written["provenance"]["commit"] == "abc"
    assert written["photographs"] == {"all": 8, "official-leak-free": 5}
    assert written["thresholds"] == {"MA": 0.45, "OD": 0.5}
    assert np.sum(written["confusion"]["RG"]) == 8
    assert {row["metric"] for row in written["metrics"]} - {"dice_per_photograph"} <= set(written["definitions"])
    table = list(csv.DictReader((finished.folder / "metrics.csv").open()))
    assert list(table[0]) == ["task", "metric", "value", "low", "high", "n", "subset"]
    assert len(table) == len(finished.report.rows)
    each = list(csv.DictReader((finished.folder / "per_photograph.csv").open()))
    assert [row["name"] for row in each] == [f"A/test/IDRiD_{index:02}" for index in range(8)]
    assert each[7]["MER_truth"] == each[7]["MA_dice"] == ""
    scores, truth = finished.pairs[0][0]["pred"][0].numpy(), finished.pairs[0][1]["masks"][0].numpy()
    assert float(each[0]["MA_dice"]) == pytest.approx(f1_score(truth.ravel(), scores.ravel() > 0.45))
    assert each[0]["OD_experts"] == "0 1 2"
    use = list(csv.DictReader((finished.folder / "expert_use.csv").open()))
    assert [float(row["share_of_photographs"]) for row in use[:3]] == [0.5, 0.5, 0]
    names = {path.name for path in (finished.folder / "figures").iterdir()}
    assert {"precision_recall.png", "confusion.png", "expert_use.png", "routing.png"} < names
    assert sum(name.startswith("compare_") for name in names) == 2


def test_thresholds_for_another_run_come_from_the_pooled_histograms(finished):
    scores, truth = pooled(finished.pairs[:6], 1)
    threshold = best_threshold(finished.report.pooled_histograms()["OD"])
    best = max(f1_score(truth, scores > limit) for limit in np.arange(256) / 256)
    assert f1_score(truth, scores > threshold) == pytest.approx(best)


def test_the_printed_table(tmp_path, capsys):
    report = EvaluationReport(
        TASKS, output_dir=tmp_path, split="test", samples=20, provenance={"phantom": True}, figures=False
    )
    run(report, photographs(6))
    printed = capsys.readouterr().out
    assert printed.count("PHANTOM DATA: ") == 4
    lines = [line.split()[:4] for line in printed.splitlines()]
    assert ["MA", "all", "6"] in [line[:3] for line in lines]
    assert ["MA", "official-leak-free", "3"] in [line[:3] for line in lines]
    assert printed.count("official-leak-free: without photographs whose eye") == 1
    assert str(tmp_path) in printed
    assert not (tmp_path / "figures").exists()


def test_without_leaks_there_is_one_subset_and_no_word_of_phantoms(tmp_path, capsys):
    pairs = photographs(3)
    for _, batch in pairs:
        batch["leaks"] = False
    report = EvaluationReport(TASKS, output_dir=tmp_path, split="validation", samples=0, figures=False)
    rows = run(report, pairs)
    printed = capsys.readouterr().out
    assert "PHANTOM" not in printed
    assert "official-leak-free" not in printed
    assert np.isnan(rows["all", "MA", "dice"].low)


@pytest.mark.parametrize("kinds", [("RG", "MER"), ("MA", "OD")])
def test_one_kind_of_task_and_no_experts(tmp_path, kinds):
    tasks = [task for task in TASKS if task["name"] in kinds]
    pairs = photographs(4)
    for output, batch in pairs:
        del output["gate_weights"]
        batch["labelled"] = torch.ones(2, dtype=torch.bool)
        if kinds == ("RG", "MER"):
            del output["pred"]
    report = EvaluationReport(tasks, output_dir=tmp_path, split="test", samples=10, pictures=1)
    rows = run(report, pairs)
    assert {task for _, task, _ in rows} >= set(kinds)
    assert not (tmp_path / "expert_use.csv").exists()


def test_nothing_to_evaluate_is_an_error(tmp_path):
    report = EvaluationReport(TASKS, output_dir=tmp_path, split="test")
    with pytest.raises(DataError, match="split 'test': 0 photographs"):
        report.finish()
    assert not list(tmp_path.iterdir())


def test_pixels_that_do_not_count_change_nothing(tmp_path):
    """Half of every photograph is left out; the rest is measured as if it were all."""
    pairs, halves = photographs(4), photographs(4)
    for (_, batch), (output, half) in zip(pairs, halves, strict=True):
        batch["counted"] = torch.zeros_like(batch["masks"])
        batch["counted"][..., :30] = 1
        output["pred"], half["masks"] = output["pred"][..., :30], half["masks"][..., :30]
    rows, expected = (
        run(EvaluationReport(TASKS, output_dir=tmp_path / name, split="test", samples=20, figures=False), some)
        for name, some in (("counted", pairs), ("cut", halves))
    )
    assert rows["all", "MA", "dice"] == expected["all", "MA", "dice"]
    assert rows["all", "MA", "ece"] == expected["all", "MA", "ece"]


def test_calibration_and_macro_measures_are_among_the_rows(finished):
    for task in ("RG", "MER", "MA", "OD"):
        for metric in ("ece", "brier", "nll"):
            row = finished.rows["all", task, metric]
            assert row.low <= row.high
            assert row.value > 0
    assert finished.rows["all", "RG", "balanced_accuracy"].value > 0
    assert (finished.folder / "figures" / "reliability.png").is_file()


def test_what_numbers_depend_on_stands_beside_them(tmp_path, capsys):
    class Unordered(EvaluationReport):
        ordered = False

    report = Unordered(TASKS, output_dir=tmp_path, split="test", samples=0, figures=False, about={"border": "ignored"})
    rows = run(report, photographs(4))
    assert {row["border"] for row in csv.DictReader((tmp_path / "metrics.csv").open())} == {"ignored"}
    assert json.loads((tmp_path / "metrics.json").read_text())["about"] == {"border": "ignored"}
    assert "split 'test', border ignored" in capsys.readouterr().out
    assert not any(metric == "kappa" for _, _, metric in rows)
