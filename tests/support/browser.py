"""Chromium without a window, by its own protocol: a page is opened, asked, touched and photographed, offline."""

from __future__ import annotations

import base64
import contextlib
import itertools
import json
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import websocket

NAMES = ("chromium", "chromium-browser", "google-chrome")
# WebGL without a graphics card; no connection to any other computer, not even for updates.
FLAGS = (
    *("--headless", "--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update"),
    *("--no-first-run", "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1", "--remote-debugging-port=0"),
    *("--use-gl=angle", "--use-angle=swiftshader", "--enable-unsafe-swiftshader"),
)
WAIT_S = 60.0


def find_browser() -> str | None:
    """The program, if it is installed."""
    return next((path for name in NAMES if (path := shutil.which(name))), None)


class Page:
    """An open page.

    Args:
        address: of its debugging socket.
    """

    def __init__(self, address: str) -> None:
        self.socket = websocket.create_connection(address, timeout=WAIT_S, suppress_origin=True)
        self.numbers = itertools.count(1)
        self.events: list[dict[str, Any]] = []

    def call(self, method: str, **parameters: Any) -> dict[str, Any]:
        """The answer to a command of the protocol; events that come before it are kept."""
        number = next(self.numbers)
        self.socket.send(json.dumps({"id": number, "method": method, "params": parameters}))
        while True:
            message = json.loads(self.socket.recv())
            if message.get("id") == number:
                assert "error" not in message, message
                return message["result"]
            self.events.append(message)

    def open(self, place: Path | str, *, ready: str) -> None:
        """Open a file, or an address of this computer, and wait until an expression is true."""
        for domain in ("Page", "Runtime", "Network", "Log"):
            self.call(f"{domain}.enable")
        self.call("Page.navigate", url=place if isinstance(place, str) else place.resolve().as_uri())
        self.wait(ready)

    def wait(self, expression: str) -> None:
        """Wait until an expression of the page is true."""
        end = time.monotonic() + WAIT_S
        while not self.ask(f"Boolean({expression})"):
            assert time.monotonic() < end, f"never true: {expression}"
            time.sleep(0.1)

    def ask(self, expression: str) -> Any:
        """The value of an expression of the page; None where it raises."""
        return self.call("Runtime.evaluate", expression=expression, returnByValue=True)["result"].get("value")

    def mouse(self, kind: str, x: float, y: float) -> None:
        """A press, move or release of the left button."""
        buttons = {"button": "left", "buttons": int(kind != "mouseReleased"), "clickCount": 1}
        self.call("Input.dispatchMouseEvent", type=kind, x=x, y=y, **buttons)

    def drag(self, start: tuple[float, float], end: tuple[float, float], *, steps: int = 12) -> None:
        """Press, move, release."""
        self.mouse("mousePressed", *start)
        for step in range(1, steps + 1):
            self.mouse("mouseMoved", *(a + (b - a) * step / steps for a, b in zip(start, end, strict=True)))
        self.mouse("mouseReleased", *end)

    def middle(self, place: str) -> tuple[float, float]:
        """Where the middle of an element is, given by an expression; the page is scrolled there first."""
        x, y = self.ask(
            f"(() => {{const e = ({place}); e.scrollIntoViewIfNeeded(); const r = e.getBoundingClientRect(); "
            "return [r.x+r.width/2, r.y+r.height/2]})()"
        )
        return x, y

    def click(self, place: str) -> None:
        """Press where the middle of an element is."""
        spot = self.middle(place)
        self.drag(spot, spot, steps=1)

    def drop(self, file: Path, place: str) -> None:
        """Let go of a dragged file over the middle of an element."""
        x, y = self.middle(place)
        data = {"items": [], "files": [str(file.resolve())], "dragOperationsMask": 1}
        for kind in ("dragEnter", "dragOver", "drop"):
            self.call("Input.dispatchDragEvent", type=kind, x=x, y=y, data=data)

    def photograph(self, path: Path) -> Path:
        """What is seen, as PNG."""
        path.write_bytes(base64.b64decode(self.call("Page.captureScreenshot", format="png")["data"]))
        return path

    @property
    def errors(self) -> list[str]:
        """What the page's scripts raised or logged as errors."""
        texts = [json.dumps(event) for event in self.events if event.get("method") == "Runtime.exceptionThrown"]
        logged = [event["params"]["entry"] for event in self.events if event.get("method") == "Log.entryAdded"]
        return texts + [entry["text"] for entry in logged if entry["level"] == "error"]

    @property
    def requests(self) -> list[str]:
        """Addresses that were asked for, without those that lie in the page."""
        sent = [
            event["params"]["request"]["url"]
            for event in self.events
            if event.get("method") == "Network.requestWillBeSent"
        ]
        return [url for url in sent if not url.startswith(("data:", "blob:"))]


@contextmanager
def browser(*, width: int = 1000, height: int = 800) -> Iterator[Page]:
    """A fresh Chromium with an empty profile and one page."""
    program = find_browser()
    assert program is not None
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile:
        command = [program, *FLAGS, f"--user-data-dir={profile}", f"--window-size={width},{height}", "about:blank"]
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
        try:
            yield Page(_address(process))
        finally:
            process.terminate()
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(timeout=20)
            process.kill()
            process.wait()
            assert process.stderr is not None
            process.stderr.close()


def _address(process: subprocess.Popen[str]) -> str:
    """Of the first page's socket: the port is printed, the page listed there."""
    from urllib.request import urlopen

    assert process.stderr is not None
    printed = []
    for line in process.stderr:
        printed.append(line)
        if line.startswith("DevTools listening on ws://"):
            host = line.split("ws://")[1].split("/")[0]
            with urlopen(f"http://{host}/json/list", timeout=WAIT_S) as answer:
                pages = [item for item in json.load(answer) if item["type"] == "page"]
            return pages[0]["webSocketDebuggerUrl"]
    raise AssertionError(f"Chromium ended: {''.join(printed)[-2000:]}")
