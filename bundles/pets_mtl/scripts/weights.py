"""The published study's ten ways to weigh segmentation, species and box, as tables."""

from __future__ import annotations

from shared.errors import ConfigError
from shared.losses.weighting import FixedWeights, UncertaintyWeights

UNCERTAINTY = "uncertainty"
BOX_TASK = "box"

# Row of the published table -> weight by task. `75_15_15` is printed so; its code has 0.7.
PUBLISHED: dict[str, dict[str, float]] = {
    "segmentation": {"pet": 1.0},
    "segmentation_box": {"pet": 0.5, "box": 0.5},
    "segmentation_species": {"pet": 0.5, "species": 0.5},
    "equal": {"pet": 1 / 3, "species": 1 / 3, "box": 1 / 3},
    "80_10_10": {"pet": 0.8, "species": 0.1, "box": 0.1},
    "75_15_15": {"pet": 0.7, "species": 0.15, "box": 0.15},
    "50_25_25": {"pet": 0.5, "species": 0.25, "box": 0.25},
    "25_25_50": {"pet": 0.25, "species": 0.25, "box": 0.5},
    "25_50_25": {"pet": 0.25, "species": 0.5, "box": 0.25},
}
# Dice in % on the held-out test, one run each.
PUBLISHED_DICE = {
    "segmentation": 92.94,
    "segmentation_box": 92.75,
    "segmentation_species": 88.04,
    "equal": 90.21,
    UNCERTAINTY: 87.73,
    "80_10_10": 91.80,
    "75_15_15": 91.54,
    "50_25_25": 91.29,
    "25_25_50": 90.32,
    "25_50_25": 89.83,
}


def choose_weighting(name: str, *, tasks: list[str] | None = None) -> FixedWeights | UncertaintyWeights:
    """A weighting by one key.

    Args:
        name: a row of `PUBLISHED`, or ``"uncertainty"``.
        tasks: names, for ``"uncertainty"``; default: pet, species and box.

    Raises:
        ConfigError: for another name, or tasks that the row has no weight for.
    """
    if name == UNCERTAINTY:
        names = tasks or ["pet", "species", BOX_TASK]
        return UncertaintyWeights(names, regression=[task for task in names if task == BOX_TASK])
    known = PUBLISHED.get(name, {})
    if not known or (tasks is not None and set(tasks) != known.keys()):
        raise ConfigError(
            f"weighting {name!r}" + (f" for {', '.join(tasks)}" if tasks and known else ""),
            expected=f"{UNCERTAINTY} or, for just its tasks, one of {', '.join(PUBLISHED)}",
            fix="correct the key `weighting`",
        )
    return FixedWeights(known)
