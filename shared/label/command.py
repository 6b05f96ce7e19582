"""The command `python -m shared label`."""

from __future__ import annotations

import os
from pathlib import Path

import shared
from shared.errors import ConfigError
from shared.label.build import add_examples, build_app
from shared.workflow.enter import TELEMETRY_OFF
from shared.workflow.paths import HOME_VARIABLE, home_folder
from shared.workflow.ports import check_port, free_port

LIMIT_VARIABLE = "EYE_BUNDLES_LABEL_LIMIT_MB"
REPOSITORY = Path(shared.__file__).resolve().parents[1]
# Neither a model zoo nor Meta's segmenter is asked for; nothing is fetched.
SETTINGS = {
    "MONAI_ZOO_SOURCE": "local",
    "MONAI_LABEL_AUTO_UPDATE_SCORING": "false",
    "MONAI_LABEL_TRACKING_ENABLED": "false",
}


def label(
    *,
    studies: str = "",
    bundles: str = "",
    port: int = 8000,
    host: str = "127.0.0.1",
    app_dir: str = "",
    python: str = ".venv-label/bin/python",
    fresh: bool = False,
) -> None:
    """Serve trained bundles in MONAI Label at http://HOST:PORT until Ctrl-C.

    Args:
        studies: folder of photographs, B-scans or volumes; labels are saved in its `labels`. Default: phantoms.
        bundles: names or folders, with commas; default: all that have weights.
        port: of the server.
        host: which network may reach it; the default is this computer alone. There is no password.
        app_dir: the server's own folder; default: `runs/label` in `$EYE_BUNDLES_HOME` or the repository.
        python: that has MONAI Label; `make label` makes it.
        fresh: take the bundles' present weights, in place of those that were trained on in the server.
    """
    check_port(port, host=host, fix=f"choose another: make label PORT={free_port()}")
    interpreter = Path(python).absolute()
    if not interpreter.is_file():
        raise ConfigError(f"there is no {interpreter}", expected="a Python with MONAI Label", fix="make label")
    app = Path(app_dir).expanduser().resolve() if app_dir else home_folder() / "runs" / "label"
    roots = bundle_folders(bundles)
    for name, state in build_app(app, roots, fresh=fresh).items():
        print(f"{name:<24}{state}")
    folder = Path(studies).expanduser().resolve() if studies else app / "phantoms"
    if not studies and not folder.is_dir():
        for root in roots:
            if (app / "model" / root.name).is_dir():
                add_examples(folder, root)
    if not folder.is_dir():
        raise ConfigError(f"there is no folder {folder}", expected="a folder of images", fix="correct STUDIES")
    print(f"{'images':<24}{folder}\n{'address':<24}http://{host}:{port}", flush=True)
    command, environment = server_command(interpreter, app=app, studies=folder, host=host, port=port)
    os.execve(command[0], command, environment)


def server_command(python: Path, *, app: Path, studies: Path, host: str, port: int) -> tuple[list[str], dict[str, str]]:
    """MONAI Label's own command and its environment."""
    words = ["-m", "monailabel.main", "start_server", "--app", str(app), "--studies", str(studies)]
    words += ["--host", host, "--port", str(port), "--uvicorn_app", "shared.label.server.http:app"]
    path = os.pathsep.join(filter(None, [str(REPOSITORY), os.environ.get("PYTHONPATH", "")]))
    sessions = {"MONAI_LABEL_SESSION_PATH": str(app / "sessions")}
    home = {HOME_VARIABLE: os.environ.get(HOME_VARIABLE) or str(app)}
    own = TELEMETRY_OFF | SETTINGS | sessions | home | {"PYTHONPATH": path, "PYTHONNOUSERSITE": "1"}
    return [str(python), *words], os.environ | own


def bundle_folders(names: str) -> list[Path]:
    """The folders of bundles, given by names or folders with commas; all of `bundles/` by default."""
    known = sorted(path.parents[1] for path in (REPOSITORY / "bundles").glob("*/configs/inference.json"))
    given = [name.strip() for name in names.split(",") if name.strip()]
    by_name = {path.name: path for path in known}
    return [by_name.get(name, Path(name).expanduser()) for name in given] if given else known
