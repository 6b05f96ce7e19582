"""The command `python -m shared fetch`."""

from __future__ import annotations

from pathlib import Path

from shared.choices import nearest
from shared.errors import ConfigError
from shared.fetch.catalogue import CATALOGUE
from shared.fetch.download import download
from shared.fetch.unpack import unpack


def fetch(name: str, *, output_dir: str = "", address: str = "", keep_archives: bool = False) -> None:
    """Download a public data set and unpack it; what is there already is not fetched again.

    An interrupted download goes on where it stopped when the command is given again. The licence is said first.

    Args:
        name: the data set, such as pets.
        output_dir: where it goes; default: data/<name> in the workspace.
        address: a mirror's folder instead of the official one; the checksums stay those of the official files.
        keep_archives: keep the downloaded files beside the unpacked ones.
    """
    if name not in CATALOGUE:
        near = nearest(name, CATALOGUE, cutoff=0.4)
        raise ConfigError(
            f"there is no data set {name!r} to fetch",
            expected=f"one of {', '.join(CATALOGUE)}",
            fix=f"did you mean `python -m shared fetch {near}`?" if near else "correct the name",
        )
    data_set = CATALOGUE[name]
    folder = Path(output_dir).expanduser() if output_dir else _default_folder(name)
    print(f"{data_set.title}\n  licence: {data_set.licence}\n  cite: {data_set.cite}")
    for archive in data_set.archives:
        target = folder / archive.folder
        if target.is_dir():
            print(f"{target} is there already")
            continue
        url = f"{(address or data_set.address).rstrip('/')}/{archive.name}"
        print(f"{url} ({archive.size / 1e6:.0f} MB) -> {folder}")
        path = download(url, folder / archive.name, md5=archive.md5)
        unpack(path, target)
        if not keep_archives:
            path.unlink()
    print(f"ready: --dataset_dir {folder}")


def _default_folder(name: str) -> Path:
    from shared.workflow.paths import workspace

    return Path(workspace(bundle_root=str(Path("bundles") / name))) / "data" / name
