"""A surface as one HTML file that turns under the mouse and needs no network."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from shared.draw.plotly import graph_objects
from shared.files import write_text
from shared.observatory.draw_surface import colour_range, heights, track_colour
from shared.observatory.surface import Surface

Array = npt.NDArray[np.float64]
TICKS = 7


def write_page(
    surface: Surface, path: str | Path, *, tracks: Mapping[str, Array] | None = None, note: str = ""
) -> Path:
    """Write a page with the surface in 3-D, a button per loss, and the runs' paths on it; 5 MB of it are plotly.

    Args:
        surface: complete or not.
        path: `.html` to write.
        tracks: by run, coordinates [N, 2] of its snapshots, oldest first; points outside the grid are not drawn.
        note: beside the title.

    Raises:
        ConfigError: plotly is not installed.
    """
    go = graph_objects()
    figure = go.Figure()
    tracks = tracks or {}
    raised = {run: heights(surface, track_N2) for run, track_N2 in tracks.items()}
    owners: list[int] = []
    for place, name in enumerate(surface.names):
        parts: list[Any] = [_hill(surface, name)]
        for number, (run, track_N2) in enumerate(tracks.items()):
            colour = track_colour(number, len(tracks))
            look = {"line": {"color": colour, "width": 6}, "marker": {"size": 3, "color": colour}}
            parts.append(go.Scatter3d(x=track_N2[:, 0], y=track_N2[:, 1], z=raised[run][name], name=run, **look))
        for part in parts:
            part.visible = place == 0
            figure.add_trace(part)
            owners.append(place)
    buttons = [
        {
            "label": name,
            "method": "update",
            "args": [{"visible": [owner == place for owner in owners]}, {"scene.zaxis.type": _scale(surface, name)}],
        }
        for place, name in enumerate(surface.names)
    ]
    axes = {"xaxis_title": "first direction", "yaxis_title": "second direction", "zaxis_title": "loss"}
    figure.update_layout(
        title={"text": "<br>".join(part for part in (surface.title, note) if part), "font": {"size": 14}},
        updatemenus=[{"buttons": buttons, "x": 0, "y": 1, "xanchor": "left"}] if len(buttons) > 1 else [],
        scene=axes | {"zaxis_type": _scale(surface, surface.names[0])},
        legend={"x": 0, "y": 0, "bgcolor": "#b4b9be"},
        margin={"l": 10, "r": 10, "b": 10},
    )
    return write_text(
        path, figure.to_html(include_plotlyjs=True, full_html=True, default_height="97vh", config={"responsive": True})
    )


def _scale(surface: Surface, name: str) -> str:
    """Of the axis upwards: logarithmic where the picture's colours are."""
    values_AB = surface.values(name)
    finite = values_AB[np.isfinite(values_AB)]
    return "log" if len(finite) and colour_range(finite)[2] else "linear"


def _hill(surface: Surface, name: str) -> Any:
    values_AB = np.where(np.isfinite(surface.values(name)), surface.values(name), np.nan)
    finite = values_AB[np.isfinite(values_AB)]
    low, high, logarithmic = colour_range(finite) if len(finite) else (0.0, 1.0, False)
    colours_AB, bar = values_AB, {}
    if logarithmic:
        colours_AB = np.log10(values_AB)
        at = np.linspace(np.log10(low), np.log10(high), TICKS)
        bar = {"tickvals": at.tolist(), "ticktext": [f"{10**place:.3g}" for place in at]}
        low, high = at[0], at[-1]
    return graph_objects().Surface(
        x=surface.alpha_A,
        y=surface.beta_B,
        z=values_AB.T,
        surfacecolor=colours_AB.T,
        name=name,
        cmin=low,
        cmax=high,
        colorscale="Viridis",
        colorbar=bar,
    )
