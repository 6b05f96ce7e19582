"""The command `python -m shared federate`."""

from __future__ import annotations

import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from shared.errors import ConfigError
from shared.federated.nvflare_job import write_job
from shared.federated.nvflare_model import collect_model
from shared.federated.publish import ServerWorkflow
from shared.federated.simulate import Federation, Row
from shared.federated.site import Site, configuration_files
from shared.files import check_writable
from shared.phantoms.source import PHANTOMS
from shared.report.table import format_table, number
from shared.study.stages import read_configs
from shared.workflow.errors import own_errors
from shared.workflow.paths import workspace

MOST_SITES = 64
# What the federation itself says to each site.
OWN_KEYS = ("dataset_dir", "output_dir", "run_name", "max_epochs", "resume", "models_dir")


def federate(
    bundle: str,
    *,
    sites: str = "2",
    rounds: int = 3,
    local_epochs: int = 1,
    output_dir: str = "",
    overlays: str = "",
    keys: dict[str, Any] | None = None,
    nvflare_job: str = "",
    collect: str = "",
) -> None:
    """Train a bundle over several sites that keep their images and exchange weights (FedAvg), all simulated here.

    Writes model.pt of the round with the best mean validation score, rounds.csv, and a folder per site.

    Args:
        bundle: the bundle's folder, such as bundles/idrid_moe_mtl.
        sites: folders of their data, "DIR_A,DIR_B,...", or how many sites with different phantoms.
        rounds: how often weights are exchanged.
        local_epochs: epochs at each site between two exchanges.
        output_dir: where results go; default: runs/BUNDLE/federated-<time>, of NVFlare's sites ~/eye_bundles_federated.
        overlays: configuration files to append, such as quickstart, comma-separated.
        keys: configuration keys for every site, such as "{'image_size':[96,96]}".
        nvflare_job: write an NVFlare job to this folder instead; each site's data are where --sites says.
        collect: make model.pt of the FL_global_model.pt that an NVFlare server wrote, instead.
    """
    root = Path(bundle).expanduser().resolve()
    listed = [name for name in overlays.split(",") if name]
    configs = read_configs(configuration_files(root, listed))
    check_counts(rounds=rounds, local_epochs=local_epochs)
    common = checked_keys(keys) | {"max_epochs": rounds * local_epochs}
    folder = Path(output_dir).expanduser().resolve() if output_dir else default_folder(root)
    if not nvflare_job:
        check_writable(folder)
    with own_errors():
        server = ServerWorkflow(root, overlays=listed, keys=common)
        if collect:
            print(f"model  {collect_model(collect, folder=folder, server=server)}")
            return
        data = site_data(sites, phantoms=phantoms_of(configs, common))
        shown: dict[str, Any] = {"bundle": root, "overlays": listed, "keys": common, "local_epochs": local_epochs}
        if nvflare_job:
            record: dict[str, Any] = {"output_dir": str(folder)} if output_dir else {}
            print(write_job(nvflare_job, sites=data, rounds=rounds, **shown, **record))
            return
        members = []
        for name, own in data.items():
            members.append(Site(name=name, output_dir=folder / name, **shown | {"keys": common | own}))
        rows = Federation(members, output_dir=folder, server=server).run(rounds)
    print(f"\n{table(rows)}\n\nmodel  {folder / 'model.pt'}\ntable  {folder / 'rounds.csv'}")


def site_data(sites: str, *, phantoms: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """Site name -> the keys that name its data.

    Args:
        sites: as of `federate`.
        phantoms: parameters of phantoms; each site has a seed of its own.

    Raises:
        ConfigError: a folder that does not exist or is given twice, or no sensible number.
    """
    text = str(sites).strip()
    if text.isdigit():
        if not 1 <= int(text) <= MOST_SITES:
            raise ConfigError(f"--sites {text}", expected=f"1 to {MOST_SITES}", fix="correct the number")
        seed = int(phantoms.get("seed", 0))
        drawn = [dict(phantoms) | {"seed": seed + number} for number in range(int(text))]
        return {
            f"site-{number}": {"dataset_dir": PHANTOMS, "phantoms": given}
            for number, given in enumerate(drawn, start=1)
        }
    folders = [Path(part).expanduser().resolve() for part in text.strip("()[] ").split(",") if part.strip(" '\"")]
    absent = [str(folder) for folder in folders if not folder.is_dir()]
    twice = sorted({str(folder) for folder in folders if folders.count(folder) > 1})
    if not folders or absent or twice:
        problem = f"no folder {absent[0]}" if absent else f"{twice[0]} is given twice" if twice else "nothing"
        raise ConfigError(
            f"--sites {text}: {problem}",
            expected="one folder of data per site, DIR_A,DIR_B,..., or a number of sites with phantoms",
            fix="correct --sites",
        )
    return {f"site-{number}": {"dataset_dir": str(folder)} for number, folder in enumerate(folders, start=1)}


def table(rows: list[Row]) -> str:
    """The rounds, for people."""
    cells = [
        [row.round, row.site, row.training, row.validation, number(row.loss, 4), number(row.score, 4)] for row in rows
    ]
    return format_table(["round", "site", "training images", "validation images", "loss", "score"], cells)


def check_counts(**counts: int) -> None:
    """Raise `ConfigError` unless all are whole numbers from 1."""
    for name, value in counts.items():
        if isinstance(value, bool) or not isinstance(value, int) or value < 1:
            raise ConfigError(f"--{name} is {value!r}", expected="a whole number from 1", fix="correct it")


def checked_keys(keys: Mapping[str, Any] | None) -> dict[str, Any]:
    """Keys of the command line.

    Raises:
        ConfigError: no names with values, or one that the federation sets itself.
    """
    if keys is not None and not isinstance(keys, Mapping):
        raise ConfigError(f"--keys is {keys!r}", expected="names with values", fix="--keys \"{'batch_size':2}\"")
    given = {str(key): value for key, value in (keys or {}).items()}
    if taken := sorted(set(OWN_KEYS) & given.keys()):
        raise ConfigError(
            f"--keys has {', '.join(taken)}",
            expected="keys that are the same at all sites; data, folders and epochs are the federation's",
            fix="use --sites, --rounds, --local_epochs and --output_dir",
        )
    return given


def phantoms_of(configs: list[dict[str, Any]], keys: Mapping[str, Any]) -> Mapping[str, Any]:
    """Parameters of the phantoms that these configurations draw."""
    given: list[dict[str, Any]] = [content["phantoms"] for content in configs if "phantoms" in content]
    return dict(keys.get("phantoms", given[-1] if given else {}))


def default_folder(root: Path) -> Path:
    """A new folder among the bundle's runs."""
    home = Path(workspace(bundle_root=str(root)))
    return home / "runs" / root.name / f"federated-{time.strftime('%Y%m%d-%H%M%S')}"
