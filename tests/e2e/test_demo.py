"""The reading page of a real server in a real browser: files are dropped, layers switched, results taken away."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple
from urllib.error import URLError
from urllib.request import urlopen

import pytest

from shared.data.volume_file import VolumeFile
from shared.demo.library import find_bundles
from shared.workflow.ports import free_port
from tests.shared.demo.test_uploads import write_bomb
from tests.support.browser import Page, browser, find_browser
from tests.support.bundle import REPOSITORY
from tests.support.tiny import BUNDLES
from tests.support.trained import train
from tests.support.volumes import write_mhd

pytest.importorskip("gradio")
ABSENT = "Chromium is not installed (make browser); in CI it is, and this test then fails instead"
pytestmark = [
    pytest.mark.e2e,
    pytest.mark.timeout(600),
    pytest.mark.skipif(find_browser() is None and not os.environ.get("CI"), reason=ABSENT),
]
READY = "document.querySelector('#upload input[type=file]') && document.querySelector('#bundle input')"
SAID = "document.querySelector('#message p')"
PICTURE = "document.querySelector('#picture img')"
LOADED = f"{PICTURE} && {PICTURE}.complete && {PICTURE}.naturalWidth"
# The picture's pixels as one number that changes with any of them.
PIXELS = f"""(() => {{const c = document.createElement('canvas'), i = {PICTURE};
c.width = i.naturalWidth; c.height = i.naturalHeight; const g = c.getContext('2d'); g.drawImage(i, 0, 0);
return g.getImageData(0, 0, c.width, c.height).data.reduce((s, v, p) => (s * 31 + v + p) % 1000003, 7)}})()"""


class Served(NamedTuple):
    """The page's address, files to drop by bundle, and where the server keeps temporary files."""

    address: str
    files: dict[str, Path]
    temporary: Path


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    folder = tmp_path_factory.mktemp("demo")
    files, path = {}, list(sys.path)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("EYE_BUNDLES_HOME", str(folder / "home"))
        patch.delenv("MLFLOW_TRACKING_URI", raising=False)
        for name in BUNDLES:
            trained = train(name, folder / name)
            shutil.copytree(trained.model.parent, folder / "models" / name)
            files[name] = in_one_file(trained.one, folder / "files" / name)
    sys.path[:] = path
    temporary = folder / "temporary"
    temporary.mkdir()
    port = free_port()
    command = [sys.executable, "-m", "shared", "demo", "--port", str(port), "--models_dir", str(folder / "models")]
    environment = os.environ | {"TMPDIR": str(temporary), "EYE_BUNDLES_HOME": str(folder / "home")}
    log = (folder / "log.txt").open("w")
    server = subprocess.Popen(
        command, cwd=REPOSITORY, env=environment, stdout=log, stderr=subprocess.STDOUT, start_new_session=True
    )
    try:
        wait_for(f"http://127.0.0.1:{port}", server)
        yield Served(f"http://127.0.0.1:{port}", files, temporary)
        server.terminate()
        server.wait(timeout=30)
        assert list(temporary.glob("eye_bundles_demo_*")) == []
    finally:
        log.close()
        if server.poll() is None:
            os.killpg(server.pid, signal.SIGKILL)
            server.wait()


def in_one_file(source: Path, folder: Path) -> Path:
    """A photograph as it is; a volume of header and voxels as one file."""
    folder.mkdir(parents=True)
    if source.suffix != ".mhd":
        return Path(shutil.copy(source, folder))
    with VolumeFile(source) as volume:
        return write_mhd(folder / f"{source.parent.name}.mha", volume.read(), spacing=volume.spacing)


def wait_for(address: str, server: subprocess.Popen[bytes]) -> None:
    end = time.monotonic() + 120
    while time.monotonic() < end:
        assert server.poll() is None, "the server ended"
        try:
            with urlopen(address, timeout=5):
                return
        except (URLError, OSError):
            time.sleep(0.2)
    raise AssertionError("the server does not answer")


@pytest.fixture
def page(served: Served) -> Iterator[Page]:
    with browser(width=1280, height=1000) as view:
        view.open(served.address, ready=READY)
        yield view
        # Nobody but the server is asked, for fonts, scripts or anything else.
        asked = [url for url in view.requests if not url.startswith((served.address, "about:", "chrome:"))]
        assert asked == []
        assert view.errors == []


def drop(view: Page, file: Path) -> str:
    """Drop a file; what the page says then."""
    view.ask(f"{SAID}?.remove()")
    view.drop(file, "document.querySelector('#upload')")
    view.wait(f"{SAID} && {SAID}.innerText")
    return str(view.ask(f"{SAID}.innerText"))


def choose(view: Page, title: str) -> None:
    """Open the list of bundles, again where the page was not ready for the click, and take the one of this title."""
    option = f"[...document.querySelectorAll('[role=option]')].find(o => o.innerText.includes({json.dumps(title)}))"
    end = time.monotonic() + 60
    while not view.ask(f"Boolean({option})"):
        assert time.monotonic() < end, f"the list of bundles does not show {title}"
        view.ask("document.activeElement.blur()")
        view.click("document.querySelector('#bundle input')")
        time.sleep(1)
    view.click(option)


def fetched(view: Page, ending: str) -> Any:
    """What a download's link leads to: status, length, and JSON."""
    link = f"document.querySelector('#downloads a[download$=\"{ending}\"]').href"
    expression = f"fetch({link}).then(a => a.text().then(t => JSON.stringify([a.status, t.length, t])))"
    answer = view.call("Runtime.evaluate", expression=expression, awaitPromise=True, returnByValue=True)
    return json.loads(answer["result"]["value"])


@pytest.mark.parametrize("name", BUNDLES)
def test_a_dropped_file_is_read_shown_in_layers_and_taken_away(name: str, served: Served, page: Page) -> None:
    title = next(bundle.title for bundle in find_bundles([name]))
    choose(page, title)
    assert drop(page, served.files[name]).startswith(f"Read by {title}: {served.files[name].stem}")
    page.wait(LOADED)
    status, _, text = fetched(page, ".json")
    findings = json.loads(text)
    assert (status, findings["provenance"]["bundle"]) == (200, name)
    assert fetched(page, ".zip")[0] == 200
    assert "PHANTOMS" in page.ask("document.querySelector('#found').innerText")

    # Every layer that has pixels changes the picture when it is switched.
    boxes = "document.querySelectorAll('#layers input')"
    before = page.ask(PIXELS)
    for place in range(page.ask(f"{boxes}.length")):
        said = json.dumps(page.ask(f"{PICTURE}.alt"))
        page.ask(f"{boxes}[{place}].click()")
        page.wait(f"{PICTURE}.alt !== {said}")
    assert page.ask(f"{PICTURE}.alt").endswith("layers: none")
    page.wait(LOADED)
    assert (page.ask(PIXELS) != before) == anything_found(findings)
    if "size" in findings:
        source = page.ask(f"{PICTURE}.src")
        slider = "document.querySelector('#bscan input[type=range]')"
        move = "Object.getOwnPropertyDescriptor(HTMLInputElement.prototype, 'value').set"
        page.ask(f"{move}.call({slider}, 1); {slider}.dispatchEvent(new Event('input', {{bubbles: true}}))")
        page.wait(f"{PICTURE}.src.includes('number=1') && {PICTURE}.src !== {json.dumps(source)}")


def anything_found(findings: dict[str, Any]) -> bool:
    """Whether any mask has a pixel, or there is a box."""
    counts = json.dumps(findings)
    return bool(findings.get("head_box")) or any(
        f'"{key}": {digit}' in counts for key in ("area_px", "voxels", "diameter_px") for digit in range(1, 10)
    )


def test_bad_files_are_refused_on_the_page_and_the_next_one_is_read(served: Served, page: Page, tmp_path: Path) -> None:
    (tmp_path / "empty.jpg").touch()
    (tmp_path / "text.png").write_text("no picture")
    (tmp_path / "program.exe").write_bytes(b"MZ")
    write_bomb(tmp_path / "bomb.png", width=30_000, height=30_000)
    for file, words in {
        "empty.jpg": "is empty (0 bytes)",
        "text.png": "is no picture",
        "program.exe": "is no file that can be read",
        "bomb.png": "it was not decoded",
    }.items():
        said = drop(page, tmp_path / file)
        assert words in said
        assert file in said
        assert str(served.temporary) not in said
    name = BUNDLES[0]
    assert drop(page, served.files[name]).startswith("Read by")


def test_a_file_of_200_mb_is_not_even_sent(served: Served, tmp_path: Path) -> None:
    large = tmp_path / "large.jpg"
    with large.open("wb") as sparse:
        sparse.truncate(200 * 2**20)
    with browser(width=1280, height=1000) as view:
        view.open(served.address, ready=READY)
        view.drop(large, "document.querySelector('#upload')")
        view.wait("document.body.innerText.includes('exceed the maximum allowed size of 150')")


def test_what_a_closed_page_has_read_is_removed(served: Served) -> None:
    with browser() as view:
        view.open(served.address, ready=READY)
        drop(view, served.files[BUNDLES[0]])
        assert [path for path in served.temporary.glob("eye_bundles_demo_*/tmp*") if path.is_dir()]
    end = time.monotonic() + 60
    while any(served.temporary.glob("eye_bundles_demo_*/tmp*")):
        assert time.monotonic() < end, "still there"
        time.sleep(0.2)
    left = [path for path in served.temporary.glob("eye_bundles_demo_*/uploads/**/*") if path.is_file()]
    # Gradio's empty files, whose content was moved.
    assert [path for path in left if path.stat().st_size] == []


def test_a_phone_needs_no_sideways_scrolling(served: Served) -> None:
    with browser(width=400, height=800) as view:
        view.call("Emulation.setDeviceMetricsOverride", width=400, height=800, deviceScaleFactor=1, mobile=True)
        view.open(served.address, ready=READY)
        drop(view, served.files[BUNDLES[0]])
        view.wait(LOADED)
        assert view.ask("document.documentElement.scrollWidth") <= 400
