"""A metric of a study: which number of a run it is."""

from __future__ import annotations

from typing import Any, NamedTuple

from shared.errors import ConfigError
from shared.study.schema import Pattern, check_keys

METRIC_KEYS = {
    "name": str,
    "stage": str,
    "file": str,
    "column": str,
    "where": dict,
    "subject": str,
    "better": str,
    "percent": bool,
    "control": (str, dict),
}


class Metric(NamedTuple):
    """Where a number of a run is found.

    Attributes:
        name: in the tables.
        stage: "evaluation" or "training": whose folder.
        file: a CSV file in it, or `history.json` (then the row of the epoch whose weights were kept).
        column: of the value.
        where: column -> text that a row must have.
        subject: the column that names the subject (photograph, volume, patient): the number is then the mean over
            subjects, of the mean over a subject's rows; empty where exactly one row is the number.
        larger_is_better: the direction.
        percent: printed as per cent.
        control: what rows are compared with in this metric, in place of the study's; None: the study's.
    """

    name: str
    stage: str
    file: str
    column: str
    where: dict[str, str]
    subject: str
    larger_is_better: bool
    percent: bool
    control: Pattern | None = None


def read_metric(content: Any, *, place: str, evaluated: bool) -> Metric:
    """A metric's definition; ``stage`` is the evaluation where the study has one.

    Raises:
        ConfigError: incomplete, or of a stage that the study does not run.
    """
    kept = check_keys(content, METRIC_KEYS, place=place)
    missing = [key for key in ("name", "file", "column") if not kept.get(key)]
    if missing:
        raise ConfigError(f"{place} has no {', '.join(missing)}", expected="name, file and column", fix="add them")
    default = "evaluation" if evaluated and kept["file"] != "history.json" else "training"
    stage, better = kept.get("stage", default), kept.get("better", "larger")
    stages = ["training", "evaluation"] if evaluated else ["training"]
    for key, value, allowed in (("stage", stage, stages), ("better", better, ["larger", "smaller"])):
        if value not in allowed:
            hint = "" if evaluated or key == "better" else "; the study has no `evaluate`"
            raise ConfigError(
                f"{key} {value!r} in {place}{hint}", expected=" or ".join(allowed), fix="correct the value"
            )
    where = {key: str(value) for key, value in kept.get("where", {}).items()}
    return Metric(
        name=kept["name"],
        stage=stage,
        file=kept["file"],
        column=kept["column"],
        where=where,
        subject=kept.get("subject", ""),
        larger_is_better=better == "larger",
        percent=kept.get("percent", False),
        control=kept.get("control"),
    )
