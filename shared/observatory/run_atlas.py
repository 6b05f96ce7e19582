"""The atlas of a study file: what is unfinished is run, then everything is looked at."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from shared.observatory.atlas import Settings, write_atlas
from shared.observatory.run_views import LOSSES
from shared.study.command import study, study_folder
from shared.study.plan import Study


def atlas_of(file: str, *, output_dir: str, losses: Sequence[str], jobs: int, settings: Mapping[str, Any]) -> None:
    """Run a study and write its atlas.

    Args:
        file: the study file.
        output_dir: for document and pictures; default: the study's folder `atlas`.
        losses: over the joint plane; default: one of each usual kind.
        jobs: runs at a time.
        settings: of `Settings`.

    Raises:
        SystemExit: a run failed, or the study was interrupted; the same command goes on.
    """
    plan = Study(file)
    study(file, jobs=jobs)
    folder = study_folder(plan, output_dir="", dataset_dir="")
    given = {name: value for name, value in settings.items() if value != Settings._field_defaults[name]}
    place = {"output_dir": output_dir} if output_dir else {}
    flags = [f"--{name}={value}" for name, value in (given | place).items()]
    try:
        written = write_atlas(
            folder,
            title=plan.title,
            note=plan.note,
            command=f"python -m shared losses atlas {shlex.join([file, *flags])}",
            output_dir=Path(output_dir).expanduser().resolve() if output_dir else folder / "atlas",
            losses=losses or LOSSES,
            settings=Settings(**settings),
        )
    except KeyboardInterrupt:
        print(f"\ninterrupted; the same command goes on with {folder}", file=sys.stderr)
        raise SystemExit(130) from None
    print(f"written: {', '.join(str(path) for path in written)}")
