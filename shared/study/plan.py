"""From a study file to its rows and runs, checked before anything is run."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import Any

from shared.errors import ConfigError
from shared.study.bundle import find_bundle
from shared.study.measured import check_measured, read_measured
from shared.study.metric import Metric, read_metric
from shared.study.schema import (
    Level,
    Pattern,
    check_keys,
    read_level,
    read_study_file,
    refuse_repeated,
    refuse_unknown,
)
from shared.study.stages import EVALUATION, TRAINING, Row, Run, make_stage, read_configs
from shared.workflow.keys import accepted_keys, check_overrides, keys_by_file, top_level

# Set by the runner, so a study file may not.
OWN_KEYS = ("output_dir", "models_dir", "run_name", "ckpt_path", "resume")


class Study:
    """A study file, read and checked.

    Args:
        path: the file.
        keys: values for every run, above those of the file's ``keys`` and of rows.

    Raises:
        DataError, ConfigError: for everything in the file that cannot work.
    """

    def __init__(self, path: str | Path, *, keys: Mapping[str, Any] | None = None) -> None:
        self.path, self.extra = Path(path), dict(keys or {})
        self.content = read_study_file(path)
        self.title = self.content.get("title") or self.path.stem
        self.note = self.content.get("note", "")
        self.bundle_root = find_bundle(self.content["bundle"], study=self.path)
        self.seeds: list[int] = self.content["seeds"]
        self.evaluate = self._stage_level("evaluate")
        self.factors = {
            factor: [read_level(level, place=f"level of factor {factor!r}") for level in levels]
            for factor, levels in self.content.get("factors", {}).items()
        }
        for factor, levels in self.factors.items():
            refuse_repeated([level.label for level in levels], "level", place=f"factor {factor!r}")
        self.rows = self._rows()
        self.metrics = self._metrics()
        self.folds = self._folds()
        self._check_comparisons()
        self._check_overrides()

    def row(self, label: str) -> Row:
        """The row of this label."""
        return next(row for row in self.rows if row.label == label)

    def metric(self, name: str) -> Metric:
        """The metric of this name."""
        return next(metric for metric in self.metrics if metric.name == name)

    def partner(self, row: Row, pattern: Pattern | None) -> Row | None:
        """The row that a pattern means for a row; None where it means none, or the row itself."""
        if pattern is None:
            return None
        if isinstance(pattern, str):
            found = self.row(pattern)
        else:
            wanted = row.levels | dict(pattern)
            found = next((other for other in self.rows if row.levels and other.levels == wanted), row)
        return None if found.label == row.label else found

    def control_of(self, row: Row, metric: Metric | None = None) -> Row | None:
        """What a row is compared with, in a metric that may have a control of its own."""
        return self.partner(row, self.control(metric))

    def control(self, metric: Metric | None = None) -> Pattern | None:
        """The control as it is written: the metric's own, else the study's."""
        own = None if metric is None else metric.control
        return self.content.get("control") if own is None else own

    @cached_property
    def runs(self) -> list[Run]:
        """All runs, every row's first seed first: what cannot work shows early."""
        folds = self.folds[1] if self.folds else (None,)
        return [self._run(row, seed, fold) for seed in self.seeds for fold in folds for row in self.rows]

    def _rows(self) -> list[Row]:
        skip = self.content.get("skip", [])
        for pattern in skip:
            self._check_pattern(pattern, "skip")
        rows = []
        for levels in itertools.product(*self.factors.values()) if self.factors else ():
            chosen = {factor: level.label for factor, level in zip(self.factors, levels, strict=True)}
            if any(pattern.items() <= chosen.items() for pattern in skip):
                continue
            keys = {key: value for level in levels for key, value in level.keys.items()}
            overlays = tuple(overlay for level in levels for overlay in level.overlays)
            rows.append(Row(", ".join(chosen.values()), chosen, overlays, keys))
        for content in self.content.get("rows", []):
            level = read_level(content, place="a row")
            rows.append(Row(level.label, {}, level.overlays, level.keys))
        refuse_repeated([row.folder for row in rows], "row", place=str(self.path))
        return rows

    def _metrics(self) -> list[Metric]:
        evaluated = self.evaluate is not None
        metrics = [read_metric(item, place="a metric", evaluated=evaluated) for item in self.content["metrics"]]
        refuse_repeated([metric.name for metric in metrics], "metric", place=str(self.path))
        measured = read_measured(self.bundle_root)
        for metric in metrics:
            check_measured(metric, measured, bundle=self.bundle_root.name)
        return metrics

    def _folds(self) -> tuple[str, list[Any]] | None:
        if "folds" not in self.content:
            return None
        folds = check_keys(self.content["folds"], {"key": str, "values": list}, place="folds")
        if not folds.get("key") or not folds.get("values"):
            raise ConfigError(f"folds {folds}", expected="a key and its values", fix="give both")
        refuse_repeated(folds["values"], "fold", place=str(self.path))
        return folds["key"], folds["values"]

    def _stage_level(self, name: str) -> Level | None:
        content = self.content.get(name)
        if content is None:
            return None
        kept = check_keys(content, {"overlays": list, "keys": dict}, place=name)
        return Level(name, tuple(kept.get("overlays", ["evaluate"])), kept.get("keys", {}))

    def _check_pattern(self, pattern: Any, place: str) -> None:
        if isinstance(pattern, str):
            refuse_unknown(pattern, [row.label for row in self.rows], kind="row", place=place)
            return
        for factor, level in check_keys(pattern, dict.fromkeys(self.factors, str), place=place).items():
            refuse_unknown(level, [item.label for item in self.factors[factor]], kind="level", place=place)

    def _check_comparisons(self) -> None:
        if "control" in self.content:
            self._check_pattern(self.content["control"], "control")
        for metric in self.metrics:
            if metric.control is not None:
                self._check_pattern(metric.control, f"control of metric {metric.name!r}")
        if "gap" in self.content:
            gap = check_keys(self.content["gap"], {"floor": (str, dict), "ceiling": (str, dict)}, place="gap")
            for end in ("floor", "ceiling"):
                if end not in gap:
                    raise ConfigError(f"gap has no {end}", expected="floor and ceiling", fix="add it")
                self._check_pattern(gap[end], f"{end} of gap")
        for metric, label in self.content.get("delta_m", {}).items():
            refuse_unknown(metric, [item.name for item in self.metrics], kind="metric", place="delta_m")
            refuse_unknown(label, [row.label for row in self.rows], kind="row", place="delta_m")
        plot = check_keys(self.content.get("plot", {}), {"x": str}, place="plot")
        if "x" in plot:
            refuse_unknown(plot["x"], list(self.factors), kind="factor", place="plot")

    def _files(self, row: Row, *, evaluation: bool) -> tuple[Path, ...]:
        names = ["train", *self.content.get("overlays", []), *row.overlays]
        if evaluation and self.evaluate is not None:
            names += self.evaluate.overlays
        folder = self.bundle_root / "configs"
        for name in names:
            known = sorted(file.stem for file in folder.glob("*.json"))
            refuse_unknown(name, known, kind="overlay", place=f"{self.path} (configurations of {folder.parent.name})")
        return tuple(folder / f"{name}.json" for name in dict.fromkeys(names))

    def _keys(self, row: Row) -> dict[str, Any]:
        return self.content.get("keys", {}) | row.keys | self.extra

    def _check_overrides(self) -> None:
        folder = self.bundle_root / "configs"
        varied = [*self.content.get("seed_keys", ["seed"]), *([self.folds[0]] if self.folds else [])]
        for row in self.rows:
            keys = self._keys(row)
            taken = sorted({*OWN_KEYS, *varied} & keys.keys())
            if taken:
                raise ConfigError(
                    f"row {row.label!r} sets {', '.join(taken)}",
                    expected="keys that the study does not set itself",
                    fix="remove them; seeds and folds have lists of their own in the study file",
                )
            checks = [(f"row {row.label!r}", keys | dict.fromkeys(varied, 0), False)]
            checks += [("evaluate", self.evaluate.keys, True)] if self.evaluate is not None else []
            for place, given, evaluation in checks:
                contents = read_configs(self._files(row, evaluation=evaluation))
                try:
                    check_overrides(given, contents, elsewhere=keys_by_file(folder))
                except ConfigError as error:
                    received = f"{place} of {self.path}: {error.received}"
                    raise ConfigError(received, expected=error.expected, fix=error.fix) from error

    def _run(self, row: Row, seed: int, fold: Any) -> Run:
        keys = self._keys(row) | dict.fromkeys(self.content.get("seed_keys", ["seed"]), seed)
        if self.folds:
            keys[self.folds[0]] = fold
        stages = [make_stage(TRAINING, self._files(row, evaluation=False), keys)]
        if self.evaluate is not None:
            files = self._files(row, evaluation=True)
            accepted = accepted_keys(read_configs(files))
            kept = {key: value for key, value in keys.items() if top_level(key) in accepted}
            stages.append(make_stage(EVALUATION, files, kept | self.evaluate.keys, after=stages[0].digest))
        return Run(row, seed, fold, tuple(stages))
