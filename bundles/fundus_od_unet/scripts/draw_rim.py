"""The rim's width around the disc as a curve."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from scripts.rim import quadrant_names
from shared.draw.look import LINES, save, subplots, titled


def draw_rim(findings: Mapping[str, Any], path: str | Path, *, title: str, phantom: bool = False) -> Path:
    """The profile from temporal over superior and nasal to inferior and back, as such curves are drawn.

    Of an eye that is unknown: from the left of the picture.

    Args:
        findings: of `scripts.findings.describe_disc`, with a ``rim``.
        path: picture to write.
        title: of the picture.
    """
    eye = findings["eye"]["eye"]
    right, up, left, down = quadrant_names(eye)
    angle_A, width_A = (np.asarray(findings["rim"][key], np.float64) for key in ("angle_degrees", "width_px"))
    # Temporal first: to the right of a left eye's photograph, otherwise from the left, turning over the top.
    start, names = (0.0, (right, up, left, down)) if eye == "left" else (180.0, (left, up, right, down))
    turned_A = (angle_A - start if eye == "left" else start - angle_A) % 360
    order_A = np.argsort(turned_A)
    x_A = np.append(turned_A[order_A], 360.0)
    y_A = np.append(width_A[order_A], width_A[order_A][0])
    figure, axes = subplots(1, 1, width=8.0, height=4.0)
    axis = axes[0, 0]
    axis.plot(x_A, y_A, color=LINES[0], linewidth=1.8)
    axis.fill_between(x_A, 0, y_A, color=LINES[0], alpha=0.15)
    axis.set_xticks(range(0, 361, 90), [name.replace("_", " ") for name in (*names, names[0])])
    axis.set(xlim=(0, 360), ylim=(0, 1.08 * max(float(y_A.max()), 1.0)), ylabel="rim width (pixels)")
    ratio = findings["vertical_cup_to_disc"]
    axis.set_title(titled(f"{title}: rim, vertical cup-to-disc ratio {ratio:.2f}", phantom=phantom))
    return save(figure, path)
