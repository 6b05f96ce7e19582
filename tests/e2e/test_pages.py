"""Pages in a real browser, offline: the surface turns under the mouse, buttons choose losses, legends hide runs."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from shared.comparison.curves import curves, standings
from shared.comparison.page import write_page as write_comparison
from shared.comparison.records import compare
from shared.observatory.page import write_page
from shared.observatory.surface import Surface
from tests.shared.comparison.conftest import write_run  # noqa: F401
from tests.support.browser import browser, find_browser

ABSENT = "Chromium is not installed (make browser); in CI it is, and this test then fails instead"
pytestmark = [
    pytest.mark.e2e,
    pytest.mark.skipif(find_browser() is None and not os.environ.get("CI"), reason=ABSENT),
]
PLOT = "document.querySelector('.js-plotly-plot')"


def surface() -> Surface:
    """A bowl, and a saddle over decades, over [-1, 1]."""
    axis = np.linspace(-1, 1, 25)
    alpha_AB, beta_AB = np.meshgrid(axis, axis, indexing="ij")
    values_LAB = np.stack([alpha_AB**2 + 3 * beta_AB**2, np.exp(3 + 4 * (alpha_AB**2 - beta_AB**2))])
    return Surface(["bowl", "saddle"], axis, axis, values_LAB, "a drawn surface", {})


def changed(first: Path, second: Path) -> float:
    """Share of pixels that differ between two pictures."""
    one, two = (np.asarray(Image.open(path).convert("RGB")).astype(int) for path in (first, second))
    return float((np.abs(one - two).max(axis=2) > 8).mean())


def test_a_surface_turns_under_the_mouse_and_its_button_changes_the_loss(tmp_path: Path) -> None:
    track_N2 = np.array([[0.8, 0.9], [0.4, 0.2], [0.0, 0.0]])
    page = write_page(surface(), tmp_path / "surface.html", tracks={"training": track_N2}, note="BatchNorm frozen")
    with browser() as view:
        view.open(page, ready=f"{PLOT} && {PLOT}.querySelector('canvas') && {PLOT}._fullLayout.scene._scene")
        view.wait(f"{PLOT}._fullLayout.scene._scene.glplot && !{PLOT}._fullLayout.scene._scene.glplot.isStopped")
        seen = f"{PLOT}.data.map(trace => trace.visible + ' ' + trace.name).join(', ')"
        assert view.ask(seen) == "true bowl, true training, false saddle, false training"
        first = view.photograph(tmp_path / "first.png")
        # The hill is there: many colours, not an empty frame of WebGL that failed.
        hues = np.asarray(Image.open(first).convert("RGB").crop((150, 150, 850, 700))).reshape(-1, 3)
        assert len(np.unique(hues // 16, axis=0)) > 60
        eye = f"JSON.stringify({PLOT}._fullLayout.scene._scene.getCamera().eye)"
        before = view.ask(eye)
        view.drag((500, 400), (720, 330))
        view.wait(f"{eye} !== '{before}'")
        turned = view.photograph(tmp_path / "turned.png")
        assert changed(first, turned) > 0.05
        view.ask(f"window.before = {PLOT}._fullLayout.scene.zaxis.type")
        view.click(f"{PLOT}.querySelector('.updatemenu-header')")
        view.wait(f"{PLOT}.querySelectorAll('.updatemenu-dropdown-button').length === 2")
        view.click(f"{PLOT}.querySelectorAll('.updatemenu-dropdown-button')[1]")
        view.wait(f"{seen} === 'false bowl, false training, true saddle, true training'")
        scale = f"{PLOT}._fullLayout.scene.zaxis.type"
        assert (view.ask("window.before"), view.ask(scale)) == ("linear", "log")
        assert changed(turned, view.photograph(tmp_path / "saddle.png")) > 0.05
        assert [url for url in view.requests if not url.startswith("file:")] == []
        assert view.errors == []


def test_runs_compared_on_one_page_can_be_hidden(tmp_path: Path, write_run: Callable[..., Path]) -> None:  # noqa: F811
    comparison = compare(
        [write_run(name, level=level, loss_name=name) for name, level in (("dice", 0.1), ("focal", 0.4))]
    )
    page = tmp_path / "comparison.html"
    write_comparison(comparison, curves(comparison), standings(comparison), page, epoch="last")
    with browser(height=1400) as view:
        view.open(page, ready="document.querySelectorAll('.js-plotly-plot .legend .traces').length === 4")
        assert view.ask("document.querySelectorAll('table').length") == 5
        lines = f"{PLOT}.querySelectorAll('.scatterlayer .js-line').length"
        everything = view.ask(lines)
        view.photograph(tmp_path / "all.png")
        view.click(f"{PLOT}.querySelectorAll('.legendtoggle')[1]")
        view.wait(f"{lines} < {everything}")
        assert changed(tmp_path / "all.png", view.photograph(tmp_path / "one.png")) > 0.001
        assert [url for url in view.requests if not url.startswith("file:")] == []
        assert view.errors == []
