"""All losses on one chart, and their numbers as a table."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from shared.draw.look import LINES, save, subplots
from shared.observatory.logit_curve import LogitCurve
from shared.report.files import write_csv


def draw_logit_curves(
    curves: Mapping[str, LogitCurve], path: str | Path, *, scene: str, set_losses: frozenset[str] = frozenset()
) -> Path:
    """Loss (left) and gradient (right) against the true-class logit.

    Both on an asinh axis, near 0 linear and far from it logarithmic: losses of distances are a hundred times
    others.

    Args:
        curves: by loss.
        path: picture to write.
        scene: what the other pixels are.
        set_losses: those whose value and slope depend on the other pixels, dashed.
    """
    figure, axes = subplots(1, 2, width=14, height=6.4)
    for axis, title in zip(axes.flat, ("loss, times the number of pixels", "gradient dL/dz, likewise"), strict=True):
        places = {True: 0, False: 0}
        for name, curve in curves.items():
            dashed = name in set_losses
            place, places[dashed] = places[dashed], places[dashed] + 1
            values_N = curve.loss_N if axis is axes[0, 0] else curve.gradient_N
            style = ("--", ":") if dashed else ("-", "-.")
            axis.plot(
                curve.logit_N,
                values_N,
                label=name,
                color=LINES[place % len(LINES)],
                linestyle=style[place // len(LINES) % 2],
                linewidth=1.8,
            )
        axis.set_yscale("asinh", linear_width=1)
        axis.axvline(0, color="#999999", linewidth=0.8)
        axis.set(title=title, xlabel="logit z of the true class (the other class: 0)")
    axes[0, 1].legend(
        loc="center left",
        bbox_to_anchor=(1.0, 0.5),
        fontsize=8.5,
        title="dashed: depends on the other pixels" if set_losses else "",
    )
    figure.suptitle(f"One pixel's loss and gradient\n{scene}", fontsize=11.5)
    return save(figure, path)


def write_logit_curves(curves: Mapping[str, LogitCurve], path: str | Path) -> Path:
    """CSV with a row per loss and logit: loss, logit, value, gradient."""
    rows = [
        {"loss": name, "logit": z, "value": value, "gradient": gradient}
        for name, curve in curves.items()
        for z, value, gradient in zip(curve.logit_N, curve.loss_N, curve.gradient_N, strict=True)
    ]
    return write_csv(path, rows, ["loss", "logit", "value", "gradient"])
