"""Markdown tables from a run's report."""

import json

import pytest

from shared.errors import DataError
from shared.report.results import results

ROWS = [
    {"task": "MA", "metric": "dice", "value": 0.5, "low": 0.25, "high": 0.75, "n": 4, "subset": "all"},
    {"task": "MA", "metric": "iou", "value": 0.333, "low": None, "high": None, "n": 4, "subset": "all"},
    {"task": "RG", "metric": "accuracy", "value": 0.8, "low": 0.6, "high": 0.9, "n": 9, "subset": "all"},
    {"task": "RG", "metric": "kappa", "value": None, "low": None, "high": None, "n": 9, "subset": "all"},
]


def test_the_numbers_of_the_report_in_a_table(tmp_path):
    content = {"split": "test", "provenance": {"phantom": True, "backbone": "resnet18"}, "metrics": ROWS}
    (tmp_path / "metrics.json").write_text(json.dumps(content))
    text = results(str(tmp_path))
    assert text.startswith("PHANTOMS")
    assert "| test: all | n | Dice | IoU | accuracy |" in text
    assert "| MA | 4 | 0.500 [0.250, 0.750] | 0.333 |  |" in text
    assert "| RG | 9 |  |  | 0.800 [0.600, 0.900] |" in text


def test_several_predictions_have_a_table_each(tmp_path):
    row = {"task": "IRF", "metric": "dice", "low": None, "high": None, "n": 4}
    rows = [
        row | {"value": value, "subset": subset, "prediction": prediction}
        for value, subset, prediction in [(0.5, "all", "teacher"), (0.4, "Cirrus", "teacher"), (0.3, "all", "student")]
    ]
    rows.append(rows[0] | {"metric": "volume_difference_mm3", "value": 0.0625, "low": 0.01, "high": 0.1})
    provenance = {"method": "mean_teacher", "labelled_fraction": 0.25, "num_experts": None}
    (tmp_path / "metrics.json").write_text(json.dumps({"split": "test", "provenance": provenance, "metrics": rows}))
    text = results(str(tmp_path))
    assert text.startswith("real data, method mean_teacher, labelled fraction 0.25, ")
    assert "experts" not in text
    assert "| test: all, teacher | n | Dice | volume difference, mm^3 |" in text
    assert "| IRF | 4 | 0.500 | 0.062 [0.010, 0.100] |" in text
    assert text.count("| IRF |") == 3


def test_many_measures_are_divided_by_kind_with_calibration_apart(tmp_path):
    kinds = {
        "pet": ["dice", "iou", "sensitivity", "average_precision", "ece", "brier", "nll"],
        "species": ["accuracy", "balanced_accuracy", "macro_f1", "auroc", "ece", "brier", "nll"],
        "box": ["box_iou", "box_accuracy_50", "box_accuracy_75"],
    }
    row = {"value": 0.5, "low": None, "high": None, "n": 4, "subset": "all"}
    rows = [row | {"task": task, "metric": metric} for task, metrics in kinds.items() for metric in metrics]
    content = {"split": "test", "provenance": {"border": "ignored"}, "metrics": rows}
    (tmp_path / "metrics.json").write_text(json.dumps(content))
    text = results(str(tmp_path))
    assert "border ignored" in text
    assert text.count("| test: all |") == 4
    assert "| test: all | n | accuracy | balanced accuracy | macro F1 | AUROC |" in text
    assert text.endswith("| species | 4 | 0.500 | 0.500 | 0.500 |")
    assert text.count("0.500") == len(rows)


def test_a_folder_without_report_is_refused(tmp_path):
    with pytest.raises(DataError, match=r"metrics\.json"):
        results(str(tmp_path))
