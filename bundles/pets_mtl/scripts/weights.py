"""The published study's ten ways to weigh segmentation, species and box, as tables."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

import torch

from shared.errors import ConfigError
from shared.losses.gradient_weighting import METHODS, make_aggregator
from shared.losses.weighting import FixedWeights, UncertaintyWeights
from shared.tasks import Task, parse_tasks

FIXED, UNCERTAINTY = "fixed", "uncertainty"

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


def choose_weighting(
    name: str, *, tasks: Iterable[Mapping[str, Any] | Task], task_weights: Mapping[str, float] | None = None
) -> FixedWeights | UncertaintyWeights:
    """How the tasks' losses are made one, by one key.

    Args:
        name: "fixed"; a row of `PUBLISHED`; "uncertainty"; or a method of `shared.losses.gradient_weighting`, for which
            the losses are added and the trainer makes the step (`choose_aggregator`).
        tasks: the task list.
        task_weights: for "fixed" and gradient methods: weight by task, 1 where not given.

    Raises:
        ConfigError: for another name, weights of no task, or a published row with other tasks.
    """
    task_list = parse_tasks(tasks)
    names, given = task_list.names, dict(task_weights or {})
    if unknown := sorted(given.keys() - set(names)):
        raise ConfigError(
            f"task_weights of {', '.join(unknown)}",
            expected=f"of tasks among {', '.join(names)}",
            fix="correct the key `task_weights` or `tasks`",
        )
    if name in (FIXED, *METHODS):
        return FixedWeights({task: given.get(task, 1.0) for task in names})
    quoted = next((row for row in PUBLISHED if row.replace("_", "") == str(name)), None)
    if quoted is not None and quoted != name:
        raise ConfigError(
            f"weighting {name!r}, which is what Python makes of {quoted}",
            expected="text",
            fix=f"quote it twice: --weighting \"'{quoted}'\"",
        )
    known = PUBLISHED.get(name, {})
    if name != UNCERTAINTY and set(names) != known.keys():
        raise ConfigError(
            f"weighting {name!r}" + (f" for {', '.join(names)}" if known else ""),
            expected=f"{FIXED}, {UNCERTAINTY}, one of {', '.join(METHODS)}; or, for just its tasks, one of "
            f"{', '.join(PUBLISHED)}",
            fix="correct the key `weighting`",
        )
    if given:
        raise ConfigError(
            f"task_weights {given} beside the weighting {name!r}, which has its own",
            expected=f"task_weights with {FIXED} or {', '.join(METHODS)}",
            fix=f"leave out `task_weights`, or set `weighting` to {FIXED}",
        )
    if name == UNCERTAINTY:
        return UncertaintyWeights(names, regression=[task.name for task in task_list.boxes])
    return FixedWeights(known)


def choose_aggregator(
    name: str, *, tasks: Iterable[Mapping[str, Any] | Task]
) -> Callable[[torch.Tensor], torch.Tensor] | None:
    """torchjd's aggregator for a weighting by gradients; None for any other weighting.

    Raises:
        ConfigError: torchjd is not installed.
    """
    return make_aggregator(name, num_tasks=len(parse_tasks(tasks))) if name in METHODS else None
