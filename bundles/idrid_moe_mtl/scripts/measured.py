"""What runs of this bundle write, by stage and file: columns that a study may name as a metric."""

from __future__ import annotations

# Names of tasks as in `scripts.layout`; this file is run on its own and cannot import it.
GRADES = ("RG", "MER")
MASKS = ("MA", "HE", "EX", "SE", "OD")
PHOTOGRAPH = (
    "name",
    "path",
    "leaks",
    *(f"{task}_{what}" for task in GRADES for what in ("truth", "predicted", "probability", "correct")),
    *(f"{task}_{what}" for task in MASKS for what in ("dice", "sensitivity", "precision", "truth_px", "predicted_px")),
    *(f"{task}_experts" for task in (*GRADES, *MASKS)),
)
REPORT = {
    "per_photograph.csv": PHOTOGRAPH,
    "metrics.csv": ("task", "metric", "value", "low", "high", "n", "subset"),
    "expert_use.csv": (
        "task",
        "expert",
        "share_of_photographs",
        "mean_weight",
        "mean_experts_per_photograph",
        "photographs",
    ),
}
HISTORY = (
    "epoch",
    "loss",
    "learning_rate",
    "score",
    "loss_gates",
    *(f"loss_{task}" for task in (*GRADES, *MASKS)),
    *(f"Dice_{task}" for task in (*MASKS, "mean")),
    *(f"{what}_{task}" for what in ("accuracy", "kappa") for task in GRADES),
    "accuracy_mean",
)
MEASURED = {"training": REPORT | {"history.json": HISTORY}, "evaluation": REPORT}
