"""The common look: pictures with a palette."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image

from shared.draw.look import reduce_colours


def test_a_palette_keeps_the_picture_and_saves_bytes(tmp_path: Path) -> None:
    ramp = np.linspace(0, 255, 300)
    noise = np.random.default_rng(0).integers(0, 20, (300, 300))
    picture_HW3 = np.stack(np.broadcast_arrays(ramp[None], ramp[:, None], noise), axis=2).astype(np.uint8)
    path = tmp_path / "a.png"
    Image.fromarray(picture_HW3).save(path)
    before = path.stat().st_size
    assert reduce_colours(path, colours=64) == path
    with Image.open(path) as found:
        assert (found.mode, found.size) == ("P", (300, 300))
        assert len(found.getcolors(256) or []) <= 64
        difference = np.abs(np.asarray(found.convert("RGB")).astype(int) - picture_HW3)
    assert difference.mean() < 12
    assert path.stat().st_size < before / 2
