"""What runs of this bundle write, by stage and file: columns that a study may name as a metric."""

from __future__ import annotations

from shared.metrics.photograph import measure_names

# Names of classes as in `scripts.entry`; this file is run on its own and cannot import it.
CLASSES = ("disc", "cup")
AGREEMENT = (
    *(f"{name}_{what}" for name in CLASSES for what in ("dice", "iou", "found")),
    *(f"{name}_{what}_{unit}" for name in CLASSES for what in ("hd95", "assd") for unit in ("px", "dd")),
    "vertical_cup_to_disc_error",
    "vertical_cup_to_disc_bias",
)
FACTS = ("diameter_px", "disc_px", "touches_border", "cup_px", "vertical_cup_to_disc")
PHOTOGRAPH = (
    "name",
    "data_set",
    "person",
    "path",
    "view",
    *(f"{whose}_{fact}" for whose in ("true", "found") for fact in FACTS),
    *(f"{name}_removed_px" for name in CLASSES),
    *AGREEMENT,
)
REPORT = {
    "per_photograph.csv": PHOTOGRAPH,
    "data_sets.csv": (
        "data_set",
        "photographs",
        *(f"{measure}{end}" for measure in AGREEMENT for end in ("", "_low", "_high")),
    ),
    "metrics.csv": ("prediction", "subset", "task", "metric", "value", "low", "high", "n"),
    # Where there are readers.
    "per_reader.csv": ("name", "compared", *AGREEMENT),
}
HISTORY = (
    "epoch",
    "loss",
    "learning_rate",
    "score",
    "Dice_mean",
    *(f"{measure}_{name}" for measure in ("Dice", "IoU") for name in CLASSES),
)
PER_EPOCH = ("epoch", "part", "name", *measure_names(CLASSES))
MEASURED = {"training": REPORT | {"history.json": HISTORY, "per_epoch.csv": PER_EPOCH}, "evaluation": REPORT}
