"""Files and tables of an evaluation on volumes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from shared.draw.look import titled
from shared.metrics import volumes
from shared.metrics.volumes import DEFINITIONS, measured
from shared.report.files import write_csv, write_json
from shared.report.fovea import DEFINITION
from shared.report.table import format_table, number, with_interval
from shared.report.volume_measures import VolumeRow, near_metric, subsets
from shared.report.volume_pictures import draw_volume_evaluation, mean_dice

if TYPE_CHECKING:
    from shared.handlers.volume_report import VolumeReport

COLUMNS = {
    "Dice": "dice",
    "IoU": "iou",
    "Dice pooled": "dice_pooled",
    "volume diff. mm3": "volume_difference_mm3",
    "volume diff. voxels": "volume_difference_voxels",
    "detection AUC": "detection_auc",
}
BARE = ("iou", "dice_pooled")  # printed without their intervals
ABSENT_NOTE = (
    "Dice and IoU: mean over volumes, n of them defined; a fluid absent in truth and prediction is left out, a false "
    "alarm counts 0. Volume differences and detection count all volumes. Intervals: 95 %, over patients."
)


def write_volume_evaluation(report: VolumeReport) -> str:
    """Write every file of the report and return the text to print."""
    folder, phantom = report.output_dir, bool(report.provenance.get("phantom"))
    vendors = [str(report.items[name]["vendor"]) for name in report.seen]
    near = {near_metric(diameter): DEFINITION for diameter in report.diameters_mm}
    write_json(
        folder / "metrics.json",
        {
            "split": report.split,
            "provenance": report.provenance,
            "predictions": report.predictions,
            "volumes": {name: int(where_N.sum()) for name, where_N in subsets(vendors).items()},
            "patients": len({report.items[name]["patient"] for name in report.seen}),
            "bscans": sum(len(seen) for seen in report.seen.values()),
            "without_reference": sorted(report.unlabelled),
            "bootstrap": {"samples": report.samples, "seed": report.seed, "confidence": 0.95, "unit": "patient"},
            "metrics": [row._asdict() for row in report.rows],
            "definitions": DEFINITIONS | near,
        },
    )
    write_csv(folder / "metrics.csv", [row._asdict() for row in report.rows], VolumeRow._fields)
    rows = per_volume_rows(report)
    write_csv(folder / "per_volume.csv", rows, list(dict.fromkeys(key for row in rows for key in row)))
    if report.figures:
        draw_volume_evaluation(report)
    notes = [ABSENT_NOTE]
    if report.unlabelled:
        some = ", ".join(sorted(report.unlabelled)[:3])
        notes.append(f"{len(report.unlabelled)} volumes without reference were left out: {some}")
    without = [name for name in report.seen if not report.items[name]["physical"]]
    if without:
        notes.append(
            f"No mm^3 for {len(without)} of {len(report.seen)} volumes: their voxel size is nominal or unknown."
        )
    return "\n\n".join([*volume_tables(report.rows, report.split, phantom=phantom), *notes]) + (
        f"\n\nReport: {folder}/metrics.json, metrics.csv, per_volume.csv"
        + (f"\nPictures: {folder}/figures" if report.figures else "")
    )


def volume_tables(rows: list[VolumeRow], split: str, *, phantom: bool = False) -> list[str]:
    """The tables to print: one per prediction, a line per fluid and vendor; and the fluid around the fovea."""
    tables = []
    for prediction in dict.fromkeys(row.prediction for row in rows):
        own = [row for row in rows if row.prediction == prediction]
        title = titled(f"Fluid in volumes, split {split!r}, {prediction}", phantom=phantom)
        tables.append(_table(own, COLUMNS, title))
        near = {row.metric.removeprefix("volume_difference_within_").removesuffix("_mm3"): row.metric for row in own
                if row.metric.startswith("volume_difference_within_")}  # fmt: skip
        if near:
            title = titled(f"Volume difference in mm3 around the fovea (diameter), {prediction}", phantom=phantom)
            tables.append(_table(own, near, title))
    return tables


def _table(rows: list[VolumeRow], columns: dict[str, str], title: str) -> str:
    lines: dict[tuple[str, str], dict[str, VolumeRow]] = {}
    for row in rows:
        if row.metric in columns.values():
            lines.setdefault((row.task, row.subset), {})[row.metric] = row
    used = {column: metric for column, metric in columns.items() if any(metric in line for line in lines.values())}
    order = list(dict.fromkeys(task for task, _ in lines))
    table = []
    for (task, subset), line in sorted(lines.items(), key=lambda entry: order.index(entry[0][0])):
        first = next(line[metric] for metric in used.values() if metric in line)
        cells = [_cell(line.get(metric), bare=metric in BARE) for metric in used.values()]
        table.append([task, subset, first.n, *cells])
    return format_table(["fluid", "volumes", "n", *used], table, title=title)


def per_volume_rows(report: VolumeReport) -> list[dict[str, Any]]:
    """One row per volume and prediction."""
    rows = []
    for name, seen in report.seen.items():
        for prediction in report.predictions:
            counts = report.counts[prediction][name]
            row: dict[str, Any] = {
                "name": name,
                "vendor": counts.vendor,
                "patient": counts.patient,
                "prediction": prediction,
                "bscans": len(seen),
                "voxel_mm3": counts.voxel_mm3,
                "mean_dice": mean_dice(counts),
            }
            for position, fluid in enumerate(report.classes, start=1):
                own = measured(counts.confusion_KK[None], counts.score_F[None], position)
                row[f"{fluid}_dice"] = float(volumes.dice(own)[0])
                row[f"{fluid}_iou"] = float(volumes.iou(own)[0])
                row[f"{fluid}_truth_voxels"] = int(own.truth[0])
                row[f"{fluid}_predicted_voxels"] = int(own.predicted[0])
                if counts.voxel_mm3 is not None:
                    row[f"{fluid}_truth_mm3"] = float(own.truth[0]) * counts.voxel_mm3
                    row[f"{fluid}_predicted_mm3"] = float(own.predicted[0]) * counts.voxel_mm3
                row[f"{fluid}_score"] = float(own.score[0])
                if counts.near_RF2 is not None and counts.voxel_mm3 is not None:
                    for circle, diameter in enumerate(report.diameters_mm):
                        truth, predicted = counts.near_RF2[circle, position - 1] * counts.voxel_mm3
                        row[f"{fluid}_truth_within_{diameter:g}mm_mm3"] = float(truth)
                        row[f"{fluid}_predicted_within_{diameter:g}mm_mm3"] = float(predicted)
            rows.append(row)
    return rows


def _cell(row: VolumeRow | None, *, bare: bool) -> str:
    if row is None or np.isnan(row.value):
        return "-"
    return number(row.value) if bare else with_interval(row.value, row.low, row.high)
