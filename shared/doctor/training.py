"""What a diagnosis means for a training that is about to start: errors stop it, warnings are logged."""

from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path

from shared.doctor.diagnosis import Diagnosis
from shared.doctor.finding import ERROR, WARNING
from shared.doctor.opening import REFUSED
from shared.doctor.text import brief
from shared.errors import DataError

logger = logging.getLogger(__name__)

SHOWN = 5


def stop_at_errors(
    diagnosis: Diagnosis, *, dataset_dir: str | Path, bundle_root: Path, read: Callable[[], object]
) -> None:
    """Raise the first errors of a diagnosis; log its warnings, a line for each kind.

    Args:
        diagnosis: a quick one.
        dataset_dir, bundle_root: for the command that lists everything.
        read: the bundle's reader; raises its own error where the diagnosis is that it refuses the data.

    Raises:
        DataError: with the first errors, and the command that lists them all.
    """
    bundle = f"bundles/{bundle_root.name}" if bundle_root.parent.name == "bundles" else bundle_root.name
    command = f"python -m shared doctor {bundle} --dataset_dir '{dataset_dir}'"
    errors = diagnosis.of(ERROR)
    if errors and errors[0].kind == REFUSED:
        read()
    if errors:
        more = f"\n  - and {len(errors) - SHOWN} more" if len(errors) > SHOWN else ""
        raise DataError(
            f"{dataset_dir} has {len(errors)} error{'s' * (len(errors) > 1)}:"
            + "".join(f"\n  - {brief(error)}" for error in errors[:SHOWN])
            + more,
            expected="data in which the data doctor finds no error",
            fix=f"see every finding with pictures, and how to correct it: {command}",
        )
    for (severity, kind), findings in diagnosis.by_kind().items():
        if severity == WARNING:
            more = f" (and {len(findings) - 1} more; `{command}` shows all)" if len(findings) > 1 else ""
            logger.warning("data doctor: %s: %s%s", kind, findings[0], more)
