"""What a study file may say, and the refusal of what it may not.

A study file is JSON. Keys of the file:

- ``bundle``: the bundle's name, or its folder.
- ``title``, ``note``: for the table.
- ``overlays``: configuration files after `train.json`, by name without ``.json``; ``keys``: values for every run.
- ``evaluate``: {``overlays``, ``keys``} of the evaluation after each training; null for none.
- ``factors``: factor -> its levels {``label``, ``overlays``, ``keys``}; every combination is a row, less those that a
  pattern of ``skip`` matches. ``rows``: further rows {``label``, ``overlays``, ``keys``}, with or without factors.
- ``seeds``: whole numbers; each is given to the keys in ``seed_keys`` (["seed"]).
- ``folds``: {``key``, ``values``}: every row and seed is run once per value, and the subjects of all folds are pooled.
- ``metrics``: see `shared.study.metric.Metric`; the first is the main one.
- ``control``: what each row is compared with, unless a metric names another; ``gap``: {``floor``, ``ceiling``}. Each is
  a row's label, or a pattern {factor: level's label} that replaces these levels in the row at hand.
- ``delta_m``: metric's name -> label of the row that was trained for this task alone.
- ``plot``: {``x``: factor along the axis}.

A key that begins with ``_`` is a remark.
"""

from __future__ import annotations

import difflib
import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from shared.errors import ConfigError, DataError

STUDY_KEYS = {
    "title": str,
    "note": str,
    "bundle": str,
    "overlays": list,
    "keys": dict,
    "evaluate": (dict, type(None)),
    "factors": dict,
    "rows": list,
    "skip": list,
    "seeds": list,
    "seed_keys": list,
    "folds": dict,
    "metrics": list,
    "control": (str, dict),
    "gap": dict,
    "delta_m": dict,
    "plot": dict,
}
REQUIRED = ("bundle", "seeds", "metrics")
LEVEL_KEYS = {"label": str, "overlays": list, "keys": dict}
Pattern = str | Mapping[str, str]


class Level(NamedTuple):
    """One setting of a factor, or one row: configuration files to add and keys to set."""

    label: str
    overlays: tuple[str, ...]
    keys: dict[str, Any]


def read_study_file(path: str | Path) -> dict[str, Any]:
    """The file's content, without remarks, its keys and their types checked.

    Raises:
        DataError: no such file, or not JSON.
        ConfigError: unknown or missing keys, wrong types.
    """
    path = Path(path)
    if not path.is_file():
        known = ", ".join(str(file) for file in sorted(Path("studies").glob("*.json")))
        raise DataError(f"no study file {path}", expected=known or "a JSON file", fix="correct the path")
    try:
        content = json.loads(path.read_text())
    except ValueError as error:
        raise DataError(f"{path} is not JSON: {error}", expected="a study file", fix="correct that line") from error
    content = check_keys(content, STUDY_KEYS, place=str(path))
    missing = [key for key in REQUIRED if not content.get(key)]
    if missing:
        raise ConfigError(
            f"{path} has no {', '.join(missing)}",
            expected="a bundle, at least one seed and one metric",
            fix="see shared/study/schema.py for what a study file says",
        )
    if not (content.get("factors") or content.get("rows")):
        raise ConfigError(f"{path} has no rows", expected="`factors` or `rows`", fix="add what is to be compared")
    seeds = content["seeds"]
    if any(isinstance(seed, bool) or not isinstance(seed, int) or seed < 0 for seed in seeds):
        raise ConfigError(f"seeds {seeds} in {path}", expected="whole numbers from 0 on", fix="correct the list")
    refuse_repeated(seeds, "seed", place=str(path))
    return content


def check_keys(content: Any, known: Mapping[str, Any], *, place: str) -> dict[str, Any]:
    """The content without remarks.

    Raises:
        ConfigError: for a key that is not known (with the nearest), or a value of another type.
    """
    if not isinstance(content, Mapping):
        raise ConfigError(f"{place} is {content!r}", expected="{...} with keys", fix="write it as an object")
    kept = {key: value for key, value in content.items() if not key.startswith("_")}
    unknown = sorted(set(kept) - set(known))
    if unknown:
        raise ConfigError(
            f"unknown key in {place}: {'; '.join(key + nearest(key, known) for key in unknown)}",
            expected=f"one of {', '.join(known)}",
            fix="correct or remove the key",
        )
    for key, value in kept.items():
        if not isinstance(value, known[key]) or (isinstance(value, bool) and known[key] is not bool):
            kinds = known[key] if isinstance(known[key], tuple) else (known[key],)
            raise ConfigError(
                f"{key} in {place} is {value!r}",
                expected=" or ".join({dict: "{...}", list: "[...]", str: "text"}.get(k, "null") for k in kinds)
                if bool not in kinds
                else "true or false",
                fix="correct the value",
            )
    return kept


def read_level(content: Any, *, place: str) -> Level:
    """A factor's level or a row."""
    kept = check_keys(content, LEVEL_KEYS, place=place)
    if not kept.get("label"):
        raise ConfigError(f"no label in {place}", expected="a label for the table", fix="add one")
    return Level(kept["label"], tuple(kept.get("overlays", ())), kept.get("keys", {}))


def refuse_repeated(names: Sequence[Any], kind: str, *, place: str) -> None:
    """Raise for a name that stands twice."""
    repeated = sorted({str(name) for name in names if list(names).count(name) > 1})
    if repeated:
        raise ConfigError(
            f"{kind} {', '.join(repeated)} stands twice in {place}",
            expected="each once",
            fix="remove or rename one of them",
        )


def refuse_unknown(name: str, known: Iterable[str], *, kind: str, place: str) -> None:
    """Raise for a name that is not among the known ones, with the nearest."""
    listed = list(known)
    if name not in listed:
        raise ConfigError(
            f"{place}: there is no {kind} {name!r}{nearest(name, listed)}",
            expected=f"one of {'; '.join(listed)}",
            fix="correct the name",
        )


def nearest(name: str, known: Iterable[str]) -> str:
    """ "; did you mean ...?" where one is near."""
    near = difflib.get_close_matches(name, list(known), n=1, cutoff=0.5)
    return f" (did you mean {near[0]}?)" if near else ""
