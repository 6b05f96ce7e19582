"""Files, tables and pictures of an evaluation."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from shared.draw.look import titled
from shared.metrics.overlap import precision, sensitivity
from shared.report.calibration import DEFINITIONS as CALIBRATION
from shared.report.experts import ExpertUse, expert_rows
from shared.report.figures import draw_evaluation
from shared.report.files import write_csv, write_json
from shared.report.measures import DEFINITIONS, Row
from shared.report.table import format_table, number, with_interval

if TYPE_CHECKING:
    from shared.handlers.evaluation_report import EvaluationReport

LEAK_FREE_NOTE = (
    "official-leak-free: without photographs whose eye is also in the official training parts, to compare with models "
    "trained on those; under protocol leakage_free such eyes were not trained on, and `all` is as honest."
)
ROW_COLUMNS = ("task", "metric", "value", "low", "high", "n", "subset")
MASK_COLUMNS = {
    "Dice": "dice",
    "IoU": "iou",
    "sensitivity": "sensitivity",
    "precision": "precision",
    "AP exact": "average_precision",
    "AUPR-11": "aupr_11",
    "AUPR-33": "aupr_33",
}
GRADE_COLUMNS = {
    "accuracy": "accuracy",
    "balanced accuracy": "balanced_accuracy",
    "macro F1": "macro_f1",
    "joint accuracy": "joint_accuracy",
    "kappa": "kappa",
    "AUROC": "auroc",
}
BOX_COLUMNS = {"mean IoU": "box_iou", "IoU >= 0.5": "box_accuracy_50", "IoU >= 0.75": "box_accuracy_75"}
# Of masks, whose tables are wide.
WITH_INTERVAL = ("Dice", "Dice per image", "IoU per image")
CALIBRATION_COLUMNS = {"ECE": "ece", "Brier": "brier", "NLL": "nll"}
TABLES: dict[str, dict[str, str]] = {
    "Masks, pixels pooled": MASK_COLUMNS,
    "Grades": GRADE_COLUMNS,
    "Boxes": BOX_COLUMNS,
    "Calibration": CALIBRATION_COLUMNS,
}


def write_evaluation(report: EvaluationReport) -> str:
    """Write every file of the report and return the text to print."""
    folder, phantom, about = report.output_dir, bool(report.provenance.get("phantom")), report.about
    use = report.use_of_experts()
    write_json(
        folder / "metrics.json",
        {
            "split": report.split,
            "about": about,
            "provenance": report.provenance,
            "photographs": {name: int(where_N.sum()) for name, where_N in report.subsets().items()},
            "thresholds": report.thresholds,
            "thresholds_not_chosen": report.not_chosen,
            "bootstrap": {"samples": report.samples, "seed": report.seed, "confidence": 0.95},
            "metrics": [row._asdict() for row in report.rows],
            "confusion": {name: answer.confusion() for name, answer in report.all_answers().items()},
            "definitions": definitions(report),
        },
    )
    write_csv(folder / "metrics.csv", [row._asdict() | about for row in report.rows], (*ROW_COLUMNS, *about))
    rows = photograph_rows(report)
    write_csv(folder / "per_photograph.csv", rows, list(dict.fromkeys(key for row in rows for key in row)))
    if use is not None:
        use_rows = expert_rows(use, report.tasks.names)
        write_csv(folder / "expert_use.csv", use_rows, list(use_rows[0]))
    if report.figures:
        draw_evaluation(report, use)
    tables = evaluation_tables(report.rows, report.split, phantom=phantom, about=about, tables=report.tables or TABLES)
    tables = [*tables, *_use_table(report, use, phantom)]
    notes = [LEAK_FREE_NOTE] if len(report.subsets()) > 1 else []
    if report.not_chosen:
        notes.append(f"No threshold was chosen for {', '.join(report.not_chosen)}: 0.5 is used.")
    return "\n\n".join([*tables, *notes]) + (
        f"\n\nReport: {folder}/metrics.json, metrics.csv, per_photograph.csv"
        + (", expert_use.csv" if use is not None else "")
        + (f"\nPictures: {folder}/figures" if report.figures else "")
    )


def definitions(report: EvaluationReport) -> dict[str, str]:
    """What every number of the report means."""
    exact = DEFINITIONS["average_precision"].replace("65535", str(report.levels - 1))
    subsets = {"official-leak-free": LEAK_FREE_NOTE} if len(report.subsets()) > 1 else {}
    return DEFINITIONS | CALIBRATION | {"average_precision": exact} | dict(report.definitions) | subsets


def evaluation_tables(
    rows: list[Row],
    split: str,
    *,
    phantom: bool = False,
    about: Mapping[str, Any] | None = None,
    tables: Mapping[str, Mapping[str, str]] = TABLES,
) -> list[str]:
    """The tables to print, of masks, grades, boxes and calibration: one line per task and subset.

    Args:
        about: named in the titles.
        tables: title -> column -> metric; the title of a table of masks begins so.
    """
    made = []
    facts = "".join(f", {name} {value}" for name, value in (about or {}).items())
    for label, columns in tables.items():
        of_masks = label.startswith("Masks")
        wanted = {metric: column for column, metric in columns.items()}
        lines: dict[tuple[str, str], dict[str, Row]] = {}
        for row in rows:
            if row.metric in wanted or (row.metric == "threshold" and of_masks):
                lines.setdefault((row.task, row.subset), {})[row.metric] = row
        if not lines:
            continue
        used = [column for column, metric in columns.items() if any(metric in line for line in lines.values())]
        table = []
        order = list(dict.fromkeys(task for task, _ in lines))
        for (task, subset), line in sorted(lines.items(), key=lambda item: order.index(item[0][0])):
            cells = [_cell(line.get(columns[column]), exact=not of_masks or column in WITH_INTERVAL) for column in used]
            if of_masks:
                cells.append(number(line["threshold"].value) if "threshold" in line else "")
            table.append([task, subset, next(iter(line.values())).n, *cells])
        heads = ["task", "photographs", "n", *used, *(["threshold"] if of_masks else [])]
        made.append(format_table(heads, table, title=titled(f"{label}, split {split!r}{facts}", phantom=phantom)))
    return made


def photograph_rows(report: EvaluationReport) -> list[dict[str, Any]]:
    """One row per photograph: per mask task overlap and pixels, per grade task truth and prediction."""
    rows = []
    for kept in report.kept:
        outcome = kept.outcome
        row: dict[str, Any] = {"name": outcome.name, "path": outcome.path, "leaks": outcome.leaks}
        for position, task in enumerate(report.tasks.grades):
            probabilities_K = outcome.probabilities.get(task.name)
            truth = int(outcome.grades_G[position])
            labelled = bool(outcome.labelled_T[report.tasks.index(task.name)])
            row[f"{task.name}_truth"] = truth if labelled else None
            if probabilities_K is not None:
                predicted = int(np.argmax(probabilities_K))
                row[f"{task.name}_predicted"] = predicted
                row[f"{task.name}_probability"] = float(probabilities_K[predicted])
                row[f"{task.name}_correct"] = predicted == truth if labelled else None
        dices = report.per_photograph_dice(kept)
        for task in report.tasks.masks:
            overlap = kept.overlaps.get(task.name)
            row[f"{task.name}_dice"] = dices.get(task.name)
            row[f"{task.name}_sensitivity"] = float(sensitivity(overlap)) if overlap else None
            row[f"{task.name}_precision"] = float(precision(overlap)) if overlap else None
            row[f"{task.name}_truth_px"] = int(overlap.hit + overlap.miss) if overlap else None
            row[f"{task.name}_predicted_px"] = int(overlap.hit + overlap.false_alarm) if overlap else None
        if outcome.gate_weights_TE is not None:
            for name, weights_E in zip(report.tasks.names, outcome.gate_weights_TE, strict=True):
                row[f"{name}_experts"] = " ".join(str(expert) for expert in np.flatnonzero(weights_E > 0))
        rows.append(row | report.columns(kept))
    return rows


def _use_table(report: EvaluationReport, use: ExpertUse | None, phantom: bool) -> list[str]:
    if use is None:
        return []
    experts = range(use.share_TE.shape[1])
    rows = [
        [task, int(use.count_T[row]), *(f"{share:.0%}" if share == share else "-" for share in use.share_TE[row]),
         number(float(use.share_TE[row].sum()), 2)]
        for row, task in enumerate(report.tasks.names)
    ]  # fmt: skip
    heads = ["task", "n", *(f"expert {expert}" for expert in experts), "experts per photograph"]
    title = titled(f"Expert use: share of photographs, split {report.split!r}", phantom=phantom)
    return [format_table(heads, rows, title=title)]


def _cell(row: Row | None, *, exact: bool) -> str:
    if row is None:
        return ""
    return with_interval(row.value, row.low, row.high) if exact else number(row.value)
