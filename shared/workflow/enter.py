"""The first `initialize` item of every configuration: prepares the process for one bundle."""

from __future__ import annotations

import logging
import os
import sys
from pathlib import Path

from monai.utils import set_determinism

from shared.workflow.errors import install_excepthook
from shared.workflow.keys import check_workflow_keys
from shared.workflow.memory import keep_freed_memory
from shared.workflow.paths import running_workflow

TELEMETRY_OFF = {
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "DO_NOT_TRACK": "true",
    "GRADIO_ANALYTICS_ENABLED": "False",
    "RAY_USAGE_STATS_ENABLED": "0",
    "GIT_PYTHON_REFRESH": "quiet",
}


def enter_bundle(*, bundle_root: str, seed: int | None = 0) -> None:
    """Prepare the process to run one bundle.

    Installs the excepthook, refuses mistyped keys, puts the bundle's `scripts` on the path in place of another
    bundle's, switches telemetry off and seeds Python, NumPy and PyTorch.

    Args:
        bundle_root: the bundle's folder.
        seed: for all random generators; None leaves them alone.

    Raises:
        ConfigError: for a key that no configuration file of the bundle has.
    """
    install_excepthook()
    keep_freed_memory()
    for name, value in TELEMETRY_OFF.items():
        os.environ.setdefault(name, value)
    # An engine would log an exception that is then shown once more, as the last line.
    logging.getLogger("ignite.engine").setLevel(logging.CRITICAL)
    workflow = running_workflow()
    if workflow is not None:
        check_workflow_keys(workflow)
    use_scripts_of(bundle_root)
    if seed is not None:
        set_determinism(seed=seed)


def forget_scripts() -> None:
    """Let the next `import scripts` look for the package anew."""
    for name in [name for name in sys.modules if name == "scripts" or name.startswith("scripts.")]:
        del sys.modules[name]


def use_scripts_of(bundle_root: str) -> None:
    """Make `import scripts` mean this bundle's folder, also where another bundle ran before in this process."""
    root = str(Path(bundle_root).resolve())
    loaded = sys.modules.get("scripts")
    origin = getattr(loaded, "__path__", None)
    if loaded is not None and (not origin or Path(next(iter(origin))).resolve() != Path(root) / "scripts"):
        forget_scripts()
    # Another bundle's root on the path, or a current directory with a `scripts` folder, would come first.
    others = [entry for entry in sys.path if not (Path(entry) / "configs" / "metadata.json").is_file()]
    sys.path[:] = [root, *others]
