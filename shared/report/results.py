"""Tables for documentation, made from what a run wrote: no number is copied by hand."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from shared.errors import DataError

FACTS = {
    "method": "method",
    "labelled_fraction": "labelled fraction",
    "weighting": "weighting",
    "sharing": "sharing",
    "border": "border",
    "backbone": "backbone",
    "num_experts": "experts",
    "image_size": "image size",
    "seed": "seed",
    "commit": "commit",
}
COLUMNS = {
    "dice_per_photograph": "Dice per image",
    "iou_per_photograph": "IoU per image",
    "dice": "Dice",
    "iou": "IoU",
    "dice_pooled": "Dice pooled",
    "volume_difference_mm3": "volume difference, mm^3",
    "volume_difference_voxels": "volume difference, voxels",
    "detection_auc": "detection AUC",
    "hd95_px": "HD95, pixels",
    "hd95_dd": "HD95, disc diameters",
    "assd_px": "ASSD, pixels",
    "error": "absolute error",
    "bias": "bias",
    "sensitivity": "sensitivity",
    "average_precision": "AP exact",
    "aupr_11": "AUPR-11",
    "aupr_33": "AUPR-33",
    "accuracy": "accuracy",
    "balanced_accuracy": "balanced accuracy",
    "macro_f1": "macro F1",
    "joint_accuracy": "joint accuracy",
    "kappa": "kappa",
    "auroc": "AUROC",
    "box_iou": "box IoU",
    "box_accuracy_50": "box IoU >= 0.5",
    "box_accuracy_75": "box IoU >= 0.75",
    "ece": "ECE",
    "brier": "Brier",
    "nll": "NLL",
}
WIDEST = 12
CALIBRATION = frozenset({"ece", "brier", "nll"})


def results(run: str) -> str:
    """A run's report as Markdown: a table per prediction and subset of its images, and where the numbers come from.

    Args:
        run: the folder of a training or evaluation run, holding `metrics.json`.

    Raises:
        DataError: there is no report in the folder.
    """
    file = Path(run) / "metrics.json"
    if not file.is_file():
        raise DataError(f"no {file}", expected="the folder of a finished run", fix="evaluate the model first")
    report = json.loads(file.read_text())
    parts: dict[tuple[str, str], list[dict[str, Any]]] = {}
    for row in report["metrics"]:
        parts.setdefault((row.get("prediction", ""), row["subset"]), []).append(row)
    several = len({prediction for prediction, _ in parts}) > 1
    tables = [
        table(rows, subset=f"{subset}, {prediction}" if several else subset, split=report["split"])
        for (prediction, subset), rows in parts.items()
    ]
    return "\n\n".join([source(report["provenance"]), *tables])


def table(rows: list[dict[str, Any]], *, subset: str, split: str) -> str:
    """One Markdown table: a row per task, a column per metric, 95 % intervals in brackets.

    More than `WIDEST` columns are divided: calibration apart, then a table for each set of tasks with common metrics.
    """
    rows = [row for row in rows if row["value"] is not None]
    if len({row["metric"] for row in rows} & COLUMNS.keys()) > WIDEST:
        parts: dict[frozenset[str], list[dict[str, Any]]] = {}
        for row in rows:
            own = {other["metric"] for other in rows if other["task"] == row["task"]} & COLUMNS.keys()
            apart = CALIBRATION if row["metric"] in CALIBRATION else frozenset(own - CALIBRATION)
            parts.setdefault(apart, []).append(row)
        whole = [table(part, subset=subset, split=split) for key, part in parts.items() if key and key != CALIBRATION]
        return "\n\n".join(
            [*whole, *(table(parts[key], subset=subset, split=split) for key in parts if key == CALIBRATION)]
        )
    metrics = [name for name in COLUMNS if any(row["metric"] == name for row in rows)]
    cells = {(row["task"], row["metric"]): cell(row) for row in rows}
    lines = [f"| {split}: {subset} | n | " + " | ".join(COLUMNS[name] for name in metrics) + " |"]
    lines.append("|---" * (len(metrics) + 2) + "|")
    for task in dict.fromkeys(row["task"] for row in rows):
        count = next(row["n"] for row in rows if row["task"] == task)
        lines.append(f"| {task} | {count} | " + " | ".join(cells.get((task, name), "") for name in metrics) + " |")
    return "\n".join(lines)


def cell(row: Mapping[str, Any]) -> str:
    """Value and interval."""
    interval = f" [{row['low']:.3f}, {row['high']:.3f}]" if row["low"] is not None else ""
    return f"{row['value']:.3f}{interval}"


def source(provenance: Mapping[str, Any]) -> str:
    """One line that says what was run on what."""
    versions = provenance.get("versions", {})
    data = "PHANTOMS (drawn by a program)" if provenance.get("phantom") else "real data"
    facts = [f"{label} {provenance[key]}" for key, label in FACTS.items() if provenance.get(key) is not None]
    return ", ".join(
        [
            data,
            *facts,
            str(provenance.get("date"))[:10],
            f"torch {versions.get('torch')}",
            f"MONAI {versions.get('monai')}",
            f"{provenance.get('hardware', {}).get('cores')} cores",
        ]
    )
