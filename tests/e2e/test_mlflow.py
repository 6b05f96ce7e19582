"""Runs of every bundle in MLflow's own page, in a real browser: experiments, curves, pictures, configuration."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.request import urlopen

import pytest
from mlflow import MlflowClient
from mlflow.entities import Run

from shared.workflow.ports import free_port
from tests.support.browser import Page, browser, find_browser
from tests.support.bundle import REPOSITORY, run
from tests.support.tiny import BUNDLES, TINY, draw

ABSENT = "Chromium is not installed (make browser); in CI it is, and this test then fails instead"
pytestmark = [
    pytest.mark.e2e,
    pytest.mark.timeout(900),
    pytest.mark.skipif(find_browser() is None and not os.environ.get("CI"), reason=ABSENT),
]
START_S = 240.0
# Where a person who looks at them finds the screenshots: EYE_BUNDLES_SCREENSHOTS=docs/figures make test-e2e ARGS=...
SCREENSHOTS = os.environ.get("EYE_BUNDLES_SCREENSHOTS", "")


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A workspace with a short training run of every bundle in its one store."""
    folder = tmp_path_factory.mktemp("mlflow")
    path = list(sys.path)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("EYE_BUNDLES_HOME", str(folder / "home"))
        patch.delenv("MLFLOW_TRACKING_URI", raising=False)
        for bundle in BUNDLES:
            data = draw(bundle, folder / "data" / bundle)
            keys = TINY[bundle].keys | {"dataset_dir": str(data), "models_dir": str(folder / "models" / bundle)}
            run(bundle, "train", **keys)
        yield folder / "home"
    sys.path[:] = path


@pytest.fixture(scope="module")
def address(home: Path) -> Iterator[str]:
    """Of the page that `make mlflow` starts."""
    port = free_port()
    # Its own group, which is ended with all that the server starts.
    process = subprocess.Popen(
        [sys.executable, "-m", "shared", "mlflow", "--port", str(port)],
        cwd=REPOSITORY,
        env=os.environ | {"EYE_BUNDLES_HOME": str(home)},
        stdout=(home / "page.log").open("w"),
        stderr=subprocess.STDOUT,
        start_new_session=True,
    )
    try:
        wait_for(lambda: answers(f"http://127.0.0.1:{port}/health"), process, home / "page.log")
        yield f"http://127.0.0.1:{port}"
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGTERM)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(timeout=20)
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)


def wait_for(condition: Callable[[], bool], process: subprocess.Popen[bytes], log: Path) -> None:
    """Wait until a server answers; what it printed where it does not."""
    end = time.monotonic() + START_S
    while not condition():
        assert process.poll() is None, log.read_text()[-3000:]
        assert time.monotonic() < end, log.read_text()[-3000:]
        time.sleep(0.3)


def answers(address: str) -> bool:
    """Whether something answers there."""
    try:
        with urlopen(address, timeout=3) as answer:
            return bool(answer.status == 200)
    except OSError:
        return False


def named(text: str, kind: str = "*") -> str:
    """Expression for the innermost element with this text."""
    return f"[...document.querySelectorAll('{kind}')].filter(e => e.textContent.trim() === {text!r}).pop()"


def go_to(view: Page, name: str) -> None:
    """Click on what has this text, once it is there."""
    view.wait(named(name))
    view.click(named(name))


def press_until(view: Page, name: str, shown: str) -> None:
    """Click on what has this text until the page shows what that brings: a list that is still growing moves away."""
    end = time.monotonic() + 60
    while not view.ask(f"Boolean({shown})"):
        assert time.monotonic() < end, f"{name} does not bring {shown}"
        go_to(view, name)
        pause = time.monotonic() + 5
        while time.monotonic() < pause and not view.ask(f"Boolean({shown})"):
            time.sleep(0.2)


def keep(view: Page, name: str, folder: Path) -> None:
    """A screenshot, of more than an empty page."""
    path = view.photograph(Path(SCREENSHOTS or folder) / f"mlflow_{name}.png")
    assert path.stat().st_size > 20_000


def newest_run(home: Path, bundle: str) -> Run:
    client = MlflowClient(f"sqlite:///{home}/runs/mlflow.db")
    (experiment,) = [item for item in client.search_experiments() if item.name == bundle]
    return client.search_runs(experiment.experiment_id)[0]


def show_experiments(view: Page, address: str, folder: Path) -> None:
    """As a person does: open the page, choose model training, see every bundle."""
    view.open(f"{address}/#/experiments", ready=named("Model training"))
    close = "document.querySelector('[data-component-id=\"mlflow.assistant.chat_panel.close\"]')"
    view.wait(f"{close} || {named('Experiments')}")
    if view.ask(f"Boolean({close})"):
        view.click(close)
    go_to(view, "Model training")
    view.open(f"{address}/#/experiments?workflowType=machine_learning", ready=named(BUNDLES[0], "a"))
    for bundle in BUNDLES:
        view.wait(named(bundle, "a"))
    keep(view, "experiments", folder)


def show_runs(view: Page, home: Path, bundle: str, folder: Path) -> None:
    """From the list of experiments to that of one's runs."""
    go_to(view, bundle)
    view.wait(named(str(newest_run(home, bundle).info.run_name)))
    keep(view, "runs", folder)


def show_curves(view: Page, address: str, record: Run, rows: list[dict[str, float]], folder: Path) -> None:
    """The page draws a curve for every column of the history, with the history's values."""
    page = f"{address}/#/experiments/{record.info.experiment_id}/runs/{record.info.run_id}"
    view.open(f"{page}/model-metrics?workflowType=machine_learning", ready="document.querySelector('.js-plotly-plot')")
    drawn = "[...document.querySelectorAll('.js-plotly-plot')].map(plot => plot.data && plot.data[0] && plot.data[0].y)"
    columns = sorted(name for name in rows[0] if name not in ("epoch", "learning_rate"))
    wanted = [row[columns[0]] for row in rows]
    # Waited for, not looked at once: the page shows the run before this one until it has the new one's values.
    equal = f"values.every((value, place) => Math.abs(value - {json.dumps(wanted)}[place]) < 1e-6)"
    view.wait(f"{drawn}.some(values => values && values.length === {len(rows)} && {equal})")
    assert f"({len(rows[0])})" in view.ask("document.body.innerText"), "how many metrics there are"
    keep(view, "curves", folder)


def show_artifacts(view: Page, address: str, record: Run, folder: Path) -> None:
    """The executed configuration as text, and the picture of the curves."""
    page = f"{address}/#/experiments/{record.info.experiment_id}/runs/{record.info.run_id}"
    view.open(f"{page}/artifacts?workflowType=machine_learning", ready=named("config.json"))
    press_until(view, "config.json", "document.body.innerText.includes('\"bundle_root\"')")
    keep(view, "config", folder)
    press_until(view, "figures", named("curves.png"))
    press_until(view, "curves.png", "[...document.querySelectorAll('img')].some(image => image.naturalWidth > 400)")
    keep(view, "pictures", folder)


def test_experiments_curves_pictures_and_configuration(home: Path, address: str, tmp_path: Path) -> None:
    with browser(width=1400, height=900) as view:
        show_experiments(view, address, tmp_path)
        show_runs(view, home, BUNDLES[0], tmp_path)
        for bundle in BUNDLES:
            record = newest_run(home, bundle)
            (file,) = (home / "runs" / bundle).glob("*/history.json")
            show_curves(view, address, record, json.loads(file.read_text()), tmp_path)
        show_artifacts(view, address, record, tmp_path)
        away = [url for url in view.requests if not url.startswith(address)]
        assert away == [], "nothing is asked of any other computer"


def test_a_taken_port_is_said_and_another_one_named(home: Path, address: str) -> None:
    port = address.rsplit(":", 1)[1]
    done = subprocess.run(
        [sys.executable, "-m", "shared", "mlflow", "--port", port],
        cwd=REPOSITORY,
        env=os.environ | {"EYE_BUNDLES_HOME": str(home)},
        capture_output=True,
        text=True,
        timeout=400,
        check=False,
    )
    assert done.returncode == 2
    assert f"port {port} of 127.0.0.1 is taken" in done.stderr
    assert "make mlflow PORT=" in done.stderr
    assert "Traceback" not in done.stderr
