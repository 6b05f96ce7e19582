"""`python -m shared demo`: the reading page, until Ctrl-C."""

from __future__ import annotations

import contextlib
import os
import signal
import sys

from shared.demo.library import Library, find_bundles
from shared.errors import ConfigError
from shared.workflow.enter import TELEMETRY_OFF
from shared.workflow.ports import check_port, free_port


def demo(*, bundles: str = "", models_dir: str = "", port: int = 7860, host: str = "127.0.0.1") -> None:
    """Serve a page that reads one photograph, B-scan or volume at a time, at http://HOST:PORT until Ctrl-C.

    Args:
        bundles: names in `bundles/`, or folders, separated by commas; by default all.
        models_dir: folder with NAME/model.pt for each bundle; by default each bundle's own models/.
        port: of the page.
        host: which network may see it; the default is this computer alone.

    Raises:
        ConfigError: no such bundle, nothing can listen there, or Gradio is not installed.
    """
    names = [name.strip() for name in bundles.split(",") if name.strip()]
    found = find_bundles(names, models_dir=models_dir)
    fix = f"choose another one: make demo PORT={free_port()}, or python -m shared demo --port ..."
    check_port(port, host=host, fix=fix)
    for name, value in TELEMETRY_OFF.items():
        os.environ.setdefault(name, value)
    try:
        import gradio  # noqa: F401
    except ImportError as error:
        raise ConfigError(
            f"the page needs a package that is not installed ({error.name})",
            expected="Gradio",
            fix="make setup, or pip install -c constraints.txt -e '.[demo]'",
        ) from error
    import uvicorn

    from shared.demo.server import make_app
    from shared.demo.sessions import Sessions

    for bundle in found:
        print(f"{bundle.name}: {'model found' if bundle.is_trained else f'no model yet: {bundle.command}'}")
    with Sessions(Library(found)) as sessions:
        app = make_app(sessions, host=host)
        print(f"reading page: http://{host}:{port} (until Ctrl-C)", flush=True)
        # Uvicorn ends by the signal that it was ended by, before anything could be removed.
        signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(0))
        with contextlib.suppress(KeyboardInterrupt):
            uvicorn.run(app, host=host, port=port, log_level="warning", timeout_graceful_shutdown=3)
