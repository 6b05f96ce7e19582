"""What runs of this bundle write, by stage and file: columns that a study may name as a metric."""

from __future__ import annotations

# Names of tasks as in `scripts.layout`; this file is run on its own and cannot import it.
GRADES = ("species", "breed")
EDGES = [f"{box}_{edge}" for box in ("box", "true_box") for edge in ("left", "top", "right", "bottom")]
IMAGE = (
    "name",
    "path",
    "leaks",
    "border",
    *(f"{task}_{what}" for task in GRADES for what in ("truth", "predicted", "probability", "correct", "p_true")),
    *(f"pet_{what}" for what in ("dice", "sensitivity", "precision", "truth_px", "predicted_px")),
    "box_iou",
    *EDGES,
)
REPORT = {
    "per_photograph.csv": IMAGE,
    "metrics.csv": ("task", "metric", "value", "low", "high", "n", "subset", "border"),
}
HISTORY = (
    "epoch",
    "loss",
    "learning_rate",
    "score",
    "Dice_pet",
    "IoU_pet",
    *(f"accuracy_{task}" for task in GRADES),
    "box_IoU",
    "box_IoU_above_50",
    *(f"{what}_{task}" for what in ("loss", "weight") for task in ("pet", *GRADES, "box")),
)
MEASURED = {"training": REPORT | {"history.json": HISTORY}, "evaluation": REPORT}
