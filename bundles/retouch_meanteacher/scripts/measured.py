"""What runs of this bundle write, by stage and file: columns that a study may name as a metric."""

from __future__ import annotations

from shared.metrics.photograph import measure_names

# Names of classes as in the configurations; the second list is that of the overlay `duke`.
CLASSES = ("IRF", "SRF", "PED", "fluid")
SIDES = ("truth", "predicted")
VOLUME = (
    "name",
    "vendor",
    "patient",
    "prediction",
    "bscans",
    "voxel_mm3",
    "mean_dice",
    *(f"{fluid}_{what}" for fluid in CLASSES for what in ("dice", "iou", "score")),
    *(f"{fluid}_{side}_{unit}" for fluid in CLASSES for side in SIDES for unit in ("voxels", "mm3")),
    # Diameters are a key of the report.
    *(f"{fluid}_{side}_within_*mm_mm3" for fluid in CLASSES for side in SIDES),
)
REPORT = {
    "per_volume.csv": VOLUME,
    "metrics.csv": ("task", "metric", "value", "low", "high", "n", "subset", "prediction"),
}
HISTORY = (
    "epoch",
    "loss",
    "learning_rate",
    "score",
    "loss_supervised",
    "loss_consistency",
    *(f"{network}Dice_{fluid}" for network in ("", "student_", "teacher_") for fluid in (*CLASSES, "mean")),
)
PER_EPOCH = ("epoch", "part", "name", *measure_names(CLASSES))
MEASURED = {"training": REPORT | {"history.json": HISTORY, "per_epoch.csv": PER_EPOCH}, "evaluation": REPORT}
