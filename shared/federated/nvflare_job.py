"""A job for NVIDIA FLARE (nvflare 2.9, Apache-2.0): its FedAvg at the server, `nvflare_client` at the sites."""

from __future__ import annotations

import contextlib
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from shared.errors import ConfigError
from shared.report.files import write_json

MODEL_FILE, SCRIPT = "FL_global_model.pt", "client.py"
SETTINGS = "site.json"
# Named as text: NVFlare would copy what is imported, a part of this project, into the job.
LAUNCHER = f"""\
import importlib
from pathlib import Path

importlib.import_module("shared.federated.nvflare_client").main(Path(__file__).with_name("{SETTINGS}"))
"""


def write_job(
    folder: str | Path,
    *,
    bundle: Path,
    overlays: Sequence[str],
    keys: Mapping[str, Any],
    sites: Mapping[str, Mapping[str, Any]],
    rounds: int,
    local_epochs: int,
    output_dir: str = "~/eye_bundles_federated",
    threads: int = 0,
) -> str:
    """Write the job's folder, as `nvflare simulator` and `nvflare job submit` take it.

    Args:
        folder: made or replaced; its last part is the job's name.
        bundle: the bundle's folder, at every site the same.
        overlays, keys, local_epochs: as of `Site`.
        sites: NVFlare's site name -> keys of its own, such as its ``dataset_dir``.
        rounds: how often weights are exchanged.
        output_dir: below which each site keeps its own record.
        threads: of PyTorch at each site; 0: as many as cores.

    Returns:
        what to do with it.

    Raises:
        ConfigError: NVFlare is not installed.
    """
    try:
        from nvflare.app_common.workflows.fedavg import FedAvg
        from nvflare.client.config import ExchangeFormat
        from nvflare.job_config.api import FedJob
        from nvflare.job_config.script_runner import FrameworkType, ScriptRunner
    except ImportError as error:
        raise ConfigError(
            f"--nvflare_job needs NVFlare, which is not installed ({error})",
            expected="the extra `federated`",
            fix="pip install 'monai-eye-bundles[federated]'",
        ) from error
    path = Path(folder).expanduser().absolute()
    job: Any = FedJob(name=path.name, min_clients=len(sites))
    job.to_server(FedAvg(num_clients=len(sites), num_rounds=rounds, persistor_id="", save_filename=MODEL_FILE))
    # A script with a folder in front would be looked for there at the site.
    with tempfile.TemporaryDirectory() as scratch, contextlib.chdir(scratch):
        Path(SCRIPT).write_text(LAUNCHER)
        for name in sites:
            runner = ScriptRunner(
                script=SCRIPT, framework=FrameworkType.NUMPY, server_expected_format=ExchangeFormat.NUMPY
            )
            job.to(runner, name)
        job.export_job(str(path.parent))
    for name, own in sites.items():
        settings = {
            "bundle": str(bundle),
            "overlays": list(overlays),
            "keys": dict(keys) | dict(own),
            "local_epochs": local_epochs,
            "output_dir": output_dir,
            "threads": threads,
        }
        write_json(path / f"app_{name}" / "custom" / SETTINGS, settings)
    names = ",".join(sites)
    return (
        f"job       {path}\n"
        f"simulate  nvflare simulator {path} -w {path}-simulated -c {names} -t {len(sites)}\n"
        f"model     python -m shared federate {bundle} --collect "
        f"{path}-simulated/server/simulate_job/{MODEL_FILE} --output_dir {path}-model"
    )
