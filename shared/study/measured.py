"""Which columns a bundle's runs write, so that a study is refused for a metric that no run of it will have."""

from __future__ import annotations

import runpy
from collections.abc import Mapping, Sequence
from fnmatch import fnmatchcase
from pathlib import Path

from shared.errors import ConfigError
from shared.study.metric import Metric
from shared.study.schema import nearest

Measured = Mapping[str, Mapping[str, Sequence[str]]]


def read_measured(bundle_root: Path) -> Measured | None:
    """``MEASURED`` of the bundle's ``scripts/measured.py``; None where there is no such file.

    It says stage ("training", "evaluation") -> file -> columns, some with ``*`` as in `fnmatch`. The file is run on its
    own: it may import `shared`, not the bundle's other scripts, and `import scripts` means afterwards what it did.

    Raises:
        ConfigError: the file has no ``MEASURED``.
    """
    file = bundle_root / "scripts" / "measured.py"
    if not file.is_file():
        return None
    measured: Measured | None = runpy.run_path(str(file)).get("MEASURED")
    if measured is None:
        raise ConfigError(
            f"{file} has no MEASURED", expected="stage -> file -> columns", fix="see shared/study/measured.py"
        )
    return measured


def check_measured(metric: Metric, measured: Measured | None, *, bundle: str) -> None:
    """Refuse a metric whose file, or whose value's, subject's or condition's column, no run of the bundle writes.

    Args:
        measured: as `read_measured` gives it; None: nothing is known, and nothing refused.
        bundle: its name.

    Raises:
        ConfigError: with the nearest file or column that there is.
    """
    if measured is None:
        return
    files = measured.get(metric.stage, {})
    if metric.file not in files:
        others = [stage for stage, written in measured.items() if metric.file in written]
        hint = f" (its {others[0]} does)" if others else nearest(metric.file, files)
        raise ConfigError(
            f"metric {metric.name!r}: {metric.stage} in {bundle} writes no file {metric.file!r}{hint}",
            expected=f"one of {', '.join(files) or 'none: it writes nothing'}",
            fix="correct `file` or `stage` of the metric",
        )
    columns = files[metric.file]
    for key, wanted in {"column": [metric.column], "subject": [metric.subject], "where": [*metric.where]}.items():
        for column in filter(None, wanted):
            if not any(fnmatchcase(column, pattern) for pattern in columns):
                raise ConfigError(
                    f"metric {metric.name!r}: {metric.file} of {bundle} ({metric.stage}) has no column "
                    f"{column!r}{nearest(column, columns)}",
                    expected=f"one of {', '.join(columns)}",
                    fix=f"correct `{key}` of the metric, or add what the bundle writes to its scripts/measured.py",
                )
