"""A study's runs looked at together: curves, one plane that holds all paths, random planes of each, as one document."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from torch.nn.modules.batchnorm import _BatchNorm

from shared.comparison.curves import curves, standings
from shared.comparison.draw import draw_comparison
from shared.comparison.page import write_page as write_comparison_page
from shared.comparison.records import Comparison, compare
from shared.comparison.tables import standing_table, write_comparison
from shared.draw.look import reduce_colours, titled
from shared.errors import DataError
from shared.files import write_text
from shared.observatory.choice import make_losses, trained_loss
from shared.observatory.directions import random_plane
from shared.observatory.draw_atlas import draw_atlas
from shared.observatory.draw_curves import draw_logit_curves
from shared.observatory.draw_surface import draw_surface
from shared.observatory.grid import compute_surface
from shared.observatory.joint import JointPlane, joint_plane
from shared.observatory.logit_curve import Scene, logit_curve
from shared.observatory.metric import DICE_ERROR, dice_error
from shared.observatory.page import write_page
from shared.observatory.run import Run, open_run
from shared.observatory.run_surfaces import MARGIN
from shared.observatory.run_views import losses_of
from shared.observatory.snapshots import FOLDER
from shared.observatory.surface import Surface
from shared.report.files import safe_name
from shared.study.notes import FEWEST_SEEDS

BATCH_NORM = "; BatchNorm re-estimated"
PROJECTED = "paths projected onto the plane: a run's own loss cannot be read off where its path ends"


class Settings(NamedTuple):
    """How surfaces are computed: ``side`` points, ``planes`` random ones up to ``extent`` filter lengths, on the first
    ``images`` of the saved images, ``batch_norm`` at every point of random planes."""

    side: int = 25
    planes: int = 3
    extent: float = 1.0
    images: int = 16
    batch_norm: str = "frozen"


def first_runs(comparison: Comparison) -> dict[str, Run]:
    """The first seed of every group that saved snapshots.

    Raises:
        DataError: fewer than two did.
    """
    found = {
        group.label: open_run(next(item.folder for item in group.records if (item.folder / FOLDER).is_dir()))
        for group in comparison.groups
        if any((item.folder / FOLDER).is_dir() for item in group.records)
    }
    if len(found) < 2:
        raise DataError(
            f"{len(found)} of {len(comparison.groups)} rows have a run with snapshots",
            expected="at least two",
            fix="add an overlay with shared.observatory.SnapshotSaver to the study (docs/losses.md)",
        )
    return found


def joint_surface(
    runs: Mapping[str, Run], *, losses: Sequence[str], settings: Settings, file: Path
) -> tuple[JointPlane, Surface]:
    """Losses and ``1 - Dice`` over one plane that holds all runs' paths; BatchNorm re-estimated, where there is any.

    All values are of the first run's images.
    """
    plane = joint_plane(
        {label: [run.weights(item) for item in run.snapshots] for label, run in runs.items()},
        times={label: [item.epoch for item in run.snapshots] for label, run in runs.items()},
    )
    first = next(iter(runs.values()))
    surface = compute_surface(
        first.network,
        plane=plane.plane,
        batches=some(first, settings.images),
        losses={**losses_of(first, losses), DICE_ERROR: dice_error},
        side=settings.side,
        extent=MARGIN * max(float(np.abs(path_N2).max()) for path_N2 in plane.paths.values()),
        batch_norm="reestimated",
        file=file,
    )
    return plane, surface


def random_surfaces(runs: Mapping[str, Run], *, settings: Settings, folder: Path) -> dict[str, list[Surface]]:
    """Each run's own loss and ``1 - Dice`` over random planes of the same seeds through its last weights."""
    found: dict[str, list[Surface]] = {}
    for label, run in runs.items():
        own = trained_loss(run.config)
        for seed in range(settings.planes):
            surface = compute_surface(
                run.network,
                plane=random_plane(run.network, seed=seed),
                batches=some(run, settings.images),
                losses={**losses_of(run, [own]), DICE_ERROR: dice_error},
                side=settings.side,
                extent=settings.extent,
                batch_norm=settings.batch_norm,
                file=folder / f"{safe_name(label)}_random{seed}_{settings.batch_norm}.npz",
            )
            found.setdefault(label, []).append(surface)
    return found


def some(run: Run, count: int) -> list:
    """The first images of a run, in its batches."""
    left, batches = count, []
    for image, label in run.batches:
        if left > 0:
            batches.append((image[:left], label[:left]))
        left -= len(image)
    return batches


def normalises(runs: Mapping[str, Run]) -> bool:
    """Whether the runs' network has BatchNorm."""
    return any(isinstance(module, _BatchNorm) for module in next(iter(runs.values())).network.modules())


def write_atlas(
    study: Path, *, title: str, note: str, command: str, output_dir: Path, losses: Sequence[str], settings: Settings
) -> list[Path]:
    """Look at a finished study's runs.

    Args:
        study: its folder; grids, tables and pages are written into its folder ``atlas``, and continued from there.
        title, note, command: for the document.
        output_dir: for the document ``<study's name>.md`` and its pictures in ``figures``.
        losses: over the joint plane.
        settings: of the surfaces.

    Returns:
        files written.

    Raises:
        DataError: the study's runs recorded nothing, or have no snapshots.
    """
    folder, figures, name = study / "atlas", output_dir / "figures", study.name
    comparison = compare([study])
    lines, table = curves(comparison), standings(comparison)
    write_comparison(comparison, lines, table, folder)
    write_comparison_page(comparison, lines, table, folder / "comparison.html", epoch="last")
    part = comparison.parts[-1]
    measured = draw_comparison(comparison, lines, figures / f"{name}_curves.png", part=part, title=title)

    runs = first_runs(comparison)
    trained = {label: trained_loss(run.config) for label, run in runs.items()}
    chosen, scene = make_losses(dict.fromkeys(trained.values())), Scene()
    found = {text: logit_curve(loss, scene=scene) for text, loss in chosen.items()}
    asked = draw_logit_curves(found, figures / f"{name}_logit.png", scene=scene.text, set_losses=frozenset())
    plane, surface = joint_surface(runs, losses=losses, settings=settings, file=folder / "joint.npz")
    phantom, words = comparison.phantom, plane.text + (BATCH_NORM if normalises(runs) else "")
    surface = surface._replace(title=titled(surface.title, phantom=phantom))
    shown = f"{words}\n{PROJECTED}"
    joint = draw_surface(surface, figures / f"{name}_joint.png", tracks=plane.paths, note=shown)
    page = write_page(surface, folder / "joint.html", tracks=plane.paths, note=shown.replace("\n", "; "))
    planes = random_surfaces(runs, settings=settings, folder=folder)
    random = draw_atlas(planes, figures / f"{name}_planes.png", phantom=phantom)

    facts = comparison.groups[0].records[0].facts
    seeds = max(len(group.records) for group in comparison.groups)
    pieces = [
        f"# {titled(title, phantom=phantom)}",
        note,
        f"Made by\n\n```\n{command}\n```\n\nfrom runs of commit {facts.get('commit')}; numbers: `curves.csv`, "
        f"`standings.csv`, `runs.csv` in the study's folder `atlas`, with `comparison.html` and `{page.name}`.",
        "## After the last epoch\n\nMeans with 95 % bootstrap intervals over photographs and seeds."
        + f" Seeds of each run: {seeds}, which settles nothing." * (seeds < FEWEST_SEEDS),
        *(standing_table(table, part=own, measures=comparison.measures) for own in comparison.parts),
        f"![curves by epoch](figures/{measured.name})",
        f"## What each loss asks of a pixel\n\n![loss and gradient](figures/{asked.name})",
        f"## One plane through all runs\n\nFirst seed of each; {words}; {PROJECTED}. "
        "All panels show the same points; "
        f"`{DICE_ERROR}` is the measure by which they are compared.\n\n![joint plane](figures/{joint.name})",
        f"## Random planes\n\n{settings.planes} planes of the same seeds through each run's last weights, "
        f"{settings.side} x {settings.side} points, {settings.images} training photographs"
        f"{f', BatchNorm {settings.batch_norm}' * normalises(runs)}. A plane shows two of millions of directions, and "
        "losses have scales of their own: "
        f"no loss is called flatter or sharper than another here.\n\n![random planes](figures/{random.name})",
    ]
    for picture in (measured, asked, joint, random):
        reduce_colours(picture)
    document = write_text(output_dir / f"{name}.md", "\n\n".join(pieces) + "\n")
    return [document, measured, asked, joint, random, page, folder / "comparison.html"]
