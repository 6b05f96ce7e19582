"""Rows, runs and their stages: what is executed, and the digest by which it is recognised."""

from __future__ import annotations

import hashlib
import json
import re
import shlex
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

TRAINING, EVALUATION = "training", "evaluation"
RUN_IDS = {TRAINING: "training", EVALUATION: "evaluating"}


class Row(NamedTuple):
    """One line of the table: its levels by factor (empty for an explicit row), files and keys."""

    label: str
    levels: dict[str, str]
    overlays: tuple[str, ...]
    keys: dict[str, Any]

    @property
    def folder(self) -> str:
        """The label as a folder's name."""
        return folder_name(self.label)


class Stage(NamedTuple):
    """One process of a run: what `monai.bundle run` is given, and the digest of all that determines its result."""

    name: str
    files: tuple[Path, ...]
    keys: dict[str, Any]
    digest: str

    def command(self, **places: str) -> list[str]:
        """The command line, values written so that Fire reads them back exactly."""
        files = repr([str(file) for file in self.files])
        options = [f"--{key}={value!r}" for key, value in (self.keys | places).items()]
        return [sys.executable, "-m", "monai.bundle", "run", RUN_IDS[self.name], f"--config_file={files}", *options]

    def shown(self) -> str:
        """The command in one line, short."""
        files = "+".join(file.stem for file in self.files)
        return f"{files} {shlex.join(f'--{key}={value!r}' for key, value in self.keys.items())}"


class Run(NamedTuple):
    """One training with its evaluation."""

    row: Row
    seed: int
    fold: Any
    stages: tuple[Stage, ...]

    @property
    def name(self) -> str:
        """`row/seed_0`, with `/fold_1` where there are folds; the folder within the study's."""
        return f"{self.row.folder}/seed_{self.seed}" + ("" if self.fold is None else f"/fold_{self.fold}")


def make_stage(name: str, files: Sequence[Path], keys: Mapping[str, Any], *, after: str = "") -> Stage:
    """A stage with its digest: of the configuration files' contents, the keys, and the stage before it.

    Remarks in configuration files do not count, nor does the code: the commit is recorded with each run instead.
    """
    content = [RUN_IDS[name], without_remarks(read_configs(files)), dict(keys), after]
    digest = hashlib.sha256(json.dumps(content, sort_keys=True, default=str).encode()).hexdigest()[:16]
    return Stage(name, tuple(files), dict(keys), digest)


def without_remarks(content: Any) -> Any:
    """A configuration without its ``_desc_`` texts."""
    if isinstance(content, Mapping):
        return {key: without_remarks(value) for key, value in content.items() if key != "_desc_"}
    return [without_remarks(item) for item in content] if isinstance(content, (list, tuple)) else content


def read_configs(files: Sequence[Path]) -> list[dict[str, Any]]:
    """Contents of configuration files."""
    return [json.loads(file.read_text()) for file in files]


def folder_name(label: str) -> str:
    """A label in lower-case letters, digits, dots, dashes and underscores."""
    return re.sub(r"[^\w.\-]+", "_", label.lower().replace(", ", "-")).strip("_.-") or "row"
