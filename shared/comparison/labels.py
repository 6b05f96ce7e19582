"""What to call runs that stand beside each other."""

from __future__ import annotations

import itertools
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from shared.study.stages import folder_name
from shared.workflow.record import MAY_CHANGE
from shared.workflow.values import is_expression, is_plain

SEEDS = {"seed"}


def what_differs(configs: Sequence[Mapping[str, Any]], folders: Sequence[Path]) -> list[str]:
    """Labels of runs from the top-level keys in which their configurations differ, seeds apart.

    Runs whose other parts differ (a loss written out in an overlay) are told apart by their folders' names as well.

    Args:
        configs: executed configurations; empty where none was recorded.
        folders: of the runs.
    """
    keys = sorted({key for config in configs for key in config} - MAY_CHANGE - SEEDS)
    values = {key: [json.dumps(config.get(key), sort_keys=True) for config in configs] for key in keys}
    differing = [key for key in keys if len(set(values[key])) > 1]
    named = [key for key in differing if all(_shown(config.get(key)) for config in configs)]
    labels = []
    for place, (config, folder) in enumerate(zip(configs, folders, strict=True)):
        words = [f"{key} {config.get(key)}".replace("'", "") for key in named]
        twins = [
            other
            for other in range(len(configs))
            if all(values[key][other] == values[key][place] for key in named)
            and any(values[key][other] != values[key][place] for key in differing)
        ]
        labels.append(", ".join(words + [folder.name] * bool(twins or not config)) or "run")
    return labels


def study_labels(folders: Sequence[Path]) -> list[str]:
    """Labels of the rows that runs belong to, if all are a study's; empty otherwise."""
    labels = []
    for folder in folders:
        place = next((parent for parent in folder.parents if (parent / "study.json").is_file()), None)
        if place is None:
            return []
        row = folder.relative_to(place).parts[0]
        labels.append(_rows(json.loads((place / "study.json").read_text())).get(row, row))
    return labels


def _rows(study: Mapping[str, Any]) -> dict[str, str]:
    """Labels of a study's rows by their folders."""
    factors = [[level["label"] for level in levels] for levels in study.get("factors", {}).values()]
    labels = [", ".join(levels) for levels in itertools.product(*factors)] if factors else []
    labels += [row["label"] for row in study.get("rows", [])]
    return {folder_name(label): label for label in labels}


def _shown(value: Any) -> bool:
    return value is None or (is_plain(value) and not is_expression(value))
