"""The command `python -m shared doctor`."""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import cast

from shared.doctor.diagnosis import Diagnosis
from shared.doctor.files import write_diagnosis
from shared.doctor.text import format_diagnosis
from shared.errors import ConfigError


def doctor(
    bundle: str,
    *,
    dataset_dir: str,
    quick: bool = False,
    output_dir: str | None = None,
    examples: int = 3,
) -> None:
    """Examine a data set and list everything that is wrong with it; exit status 0 healthy, 1 errors, 2 usage.

    Args:
        bundle: the bundle's folder, such as bundles/idrid_moe_mtl.
        dataset_dir: the data set's folder; nothing is written there.
        quick: look at names, tables and headers only; decode nothing.
        output_dir: for doctor.json, doctor.csv and doctor.png; default: runs/doctor/<bundle>.
        examples: how many findings of each kind are printed.
    """
    if not isinstance(quick, bool):
        raise ConfigError(f"--quick is {quick!r}", expected="--quick alone", fix="leave its value out")
    if isinstance(examples, bool) or not isinstance(examples, int) or examples < 1:
        raise ConfigError(f"--examples is {examples!r}", expected="a number from 1 on", fix="correct the number")
    root = find_bundle(str(bundle))
    from shared.workflow.enter import use_scripts_of
    from shared.workflow.paths import workspace

    home = Path(workspace(bundle_root=str(root)))
    use_scripts_of(str(root))
    script = importlib.import_module("scripts.doctor")
    folder = Path(str(dataset_dir)).expanduser()
    diagnosis = cast(Diagnosis, script.examine(folder, quick=quick, cache_dir=home / "data" / "cache"))
    print(format_diagnosis(diagnosis, examples=examples))
    target = Path(str(output_dir)).expanduser() if output_dir is not None else home / "runs" / "doctor" / root.name
    written = write_diagnosis(diagnosis, target)
    print(f"written to {target}: {', '.join(path.name for path in written)}")
    raise SystemExit(diagnosis.exit_status)


def find_bundle(bundle: str) -> Path:
    """The folder of a bundle that has a doctor.

    Raises:
        ConfigError: no such folder, no bundle, or one without a module or package `scripts.doctor`.
    """
    root = Path(bundle).expanduser().resolve()
    if not (root / "configs" / "metadata.json").is_file():
        reason = "is no bundle: it has no configs/metadata.json" if root.is_dir() else "is no folder"
        known = [str(path) for path in sorted(Path("bundles").glob("*")) if has_doctor(path)]
        raise ConfigError(
            f"{bundle} {reason}",
            expected=f"a bundle's folder, such as {', '.join(known) or 'bundles/idrid_moe_mtl'}",
            fix="give the bundle's folder: python -m shared doctor BUNDLE --dataset_dir DIR",
        )
    if not has_doctor(root):
        raise ConfigError(
            f"the bundle {root.name} has no data doctor",
            expected=f"{bundle}/scripts/doctor.py with `examine(dataset_dir, *, quick, cache_dir) -> Diagnosis`",
            fix="choose a bundle that has one, or write it (see bundles/idrid_moe_mtl/scripts/doctor)",
        )
    return root


def has_doctor(root: Path) -> bool:
    """Whether a bundle has a `scripts.doctor`, as a module or a package."""
    return any((root / "scripts" / place).is_file() for place in ("doctor.py", "doctor/__init__.py"))
