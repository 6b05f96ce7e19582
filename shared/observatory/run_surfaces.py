"""Surfaces around a run's weights: planes, grids, pictures and pages in one folder."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from shared.draw.look import titled
from shared.errors import ConfigError
from shared.observatory.directions import random_plane
from shared.observatory.draw_surface import draw_surface
from shared.observatory.grid import compute_surface
from shared.observatory.metric import DICE_ERROR, dice_error
from shared.observatory.page import write_page
from shared.observatory.plane import Plane
from shared.observatory.run import Run
from shared.observatory.run_views import LOSSES, losses_of
from shared.observatory.trajectory import principal_plane, project

RANDOM, PCA = "random", "pca"
MARGIN = 1.25
TRAINING = "training"


class View(NamedTuple):
    """A plane to look at: file name, how far to go, the paths of training on it, and what to say of it."""

    name: str
    plane: Plane
    extent: float
    tracks: Mapping[str, npt.NDArray[np.float64]]
    note: str


def views_of(run: Run, *, plane: str, planes: int = 3, seed: int = 0, extent: float = 1.0) -> list[View]:
    """The planes of a run: one of its path, or several random ones, as one alone may mislead.

    Args:
        run: with snapshots.
        plane: "random" or "pca".
        planes: number of random ones.
        seed: of the first; the next have the next seeds.
        extent: of random planes, in lengths of the filters; a PCA plane holds the whole path.

    Raises:
        ConfigError: for another word.
        DataError: too few snapshots for a PCA plane.
    """
    if plane not in (RANDOM, PCA):
        raise ConfigError(f"--plane is {plane!r}", expected=f"{RANDOM} or {PCA}", fix="correct the word")
    weights = [run.weights(snapshot) for snapshot in run.snapshots]
    if plane == PCA:
        found = principal_plane(weights, times=[snapshot.epoch for snapshot in run.snapshots])
        reach = MARGIN * float(np.abs(found.path_N2).max())
        return [View("surface_pca", found.plane, reach, {TRAINING: found.path_N2}, found.text)]
    views = []
    for number in range(seed, seed + planes):
        chosen = random_plane(run.network, seed=number)
        track_N2 = np.stack([project(item, chosen) for item in weights])
        note = f"directions at {np.degrees(np.arccos(chosen.cosine)):.1f} degrees; training projected onto the plane"
        views.append(View(f"surface_random{number}", chosen, extent, {TRAINING: track_N2}, note))
    return views


def surfaces_of(
    run: Run,
    views: Sequence[View],
    *,
    folder: Path,
    losses: Sequence[str] = LOSSES,
    side: int = 25,
    batch_norm: str = "frozen",
    at_once: int = 1,
    page: bool = False,
) -> list[Path]:
    """Compute, save and draw; grids that are there already are continued or only drawn.

    Every surface has ``1 - Dice`` beside the losses, the yardstick for runs that were trained with different ones.

    Returns:
        files written.
    """
    chosen: Mapping[str, Any] = {**losses_of(run, losses), DICE_ERROR: dice_error}
    written: list[Path] = []
    for view in views:
        file = folder / f"{view.name}_{batch_norm}.npz"
        try:
            surface = compute_surface(
                run.network,
                plane=view.plane,
                batches=run.batches,
                losses=chosen,
                side=side,
                extent=view.extent,
                batch_norm=batch_norm,
                at_once=at_once,
                file=file,
            )
        except KeyboardInterrupt:
            print(f"\ninterrupted; the same command goes on with {file}", file=sys.stderr)
            raise SystemExit(130) from None
        surface = surface._replace(title=titled(surface.title, phantom=run.phantom))
        note = f"{view.note}; BatchNorm {batch_norm}"
        written += [file, draw_surface(surface, file.with_suffix(".png"), tracks=view.tracks, note=note)]
        if page:
            written.append(write_page(surface, file.with_suffix(".html"), tracks=view.tracks, note=note))
    return written
