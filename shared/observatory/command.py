"""The command `python -m shared losses`."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from shared.errors import ConfigError
from shared.observatory.choice import DEFAULT, is_pixelwise, make_losses, split_losses
from shared.observatory.draw_curves import draw_logit_curves, write_logit_curves
from shared.observatory.logit_curve import Scene, logit_curve
from shared.progress import progress_bar
from shared.workflow.paths import home_folder

CURVES, SURFACE, MAPS, WEIGHTS, FEATURES, SINGLE = "curves", "surface", "maps", "weights", "features", "single"
ATLAS = "atlas"
VIEWS = (CURVES, SURFACE, MAPS, WEIGHTS, FEATURES, SINGLE, ATLAS)
OF_RUNS = VIEWS[1:]


def losses(
    what: str,
    run: str = "",
    *,
    losses: str = "",
    output_dir: str = "",
    background: bool = False,
    rest: float = 2.0,
    plane: str = "random",
    planes: int = 3,
    seed: int = 0,
    side: int = 25,
    extent: float = 1.0,
    batch_norm: str = "frozen",
    batch_size: int = 8,
    at_once: int = 1,
    page: bool = False,
    image: int = 0,
    layer: str = "",
    channels: int = 6,
    steps: int = 1000,
    rate: float = 1e-5,
    images: int = 16,
    jobs: int = 0,
) -> None:
    """Look at losses.

    curves: loss and gradient of one pixel against its true class's logit, all losses on one chart.
    surface RUN: losses over planes through a run's weights; an interrupted grid continues with the same command.
    maps RUN: an image through training: prediction, difference, confidence, and where each loss is paid.
    weights RUN: how far each layer moved between snapshots.
    features RUN: Grad-CAM of every class, and the images that a layer's channels look for.
    single RUN: each loss trains on one image alone, from the run's last weights; what becomes of it.
    atlas STUDY: run what a study file has left to run; curves, one plane through all runs, random planes of each.

    Args:
        what: curves, surface, maps, weights, features, single or atlas.
        run: the folder of a training run that saved snapshots; atlas: a study file.
        losses: which, such as "dice, focal(gamma=3), cross_entropy(class_weights=[1,2])"; default: the eight
            of the published study and one of each other kind; surface: one of each usual kind.
        output_dir: for pictures and tables; default: runs/losses, a run's folder `observatory`, a study's `atlas`.
        background: curves: of a background pixel instead of one of the disc.
        rest: curves: the true-class logit of all other pixels.
        plane: surface: random (filter-normalised) or pca (of the training's path).
        planes: surface: number of random planes.
        seed: surface: of the first random plane.
        side: surface: points along each side, odd.
        extent: surface: how far random planes go, in lengths of the filters.
        batch_norm: surface: frozen, or reestimated at every point.
        batch_size: surface: images at a time.
        at_once: surface: points at a time (frozen BatchNorm only).
        page: surface: also a page that turns under the mouse, which needs plotly.
        image: maps, single: which of the images that the run saved, from 0.
        layer: features: a module's name; default: the last convolution but one.
        channels: features: how many of the layer's.
        steps: single: of Adam.
        rate: single: Adam's learning rate.
        images: atlas: of the saved images, how many surfaces are computed on.
        jobs: atlas: runs at a time; default: as `python -m shared study`.
    """
    if what not in VIEWS:
        raise ConfigError(f"there is no view {what!r}", expected=f"one of {', '.join(VIEWS)}", fix="losses curves")
    if bool(run) != (what in OF_RUNS):
        raise ConfigError(
            f"losses {what} with {f'the folder {run}' if run else 'no folder'}",
            expected=f"a run's folder for {', '.join(OF_RUNS)} alone",
            fix=f"python -m shared losses {what}{' RUN' * (what in OF_RUNS)}",
        )
    folder = Path(run).expanduser().resolve() / "observatory" if run and not output_dir else output_folder(output_dir)
    if what == CURVES:
        scene = Scene(rest=number(rest, "rest"), on_disc=not background)
        written = curves(losses, folder=folder, scene=scene)
    else:
        counts = {
            "planes": planes,
            "side": side,
            "batch_size": batch_size,
            "at_once": at_once,
            "channels": channels,
            "steps": steps,
            "images": images,
        }
        check_counts(counts | {"seed": seed, "image": image})
        if what == ATLAS:
            from shared.observatory.run_atlas import atlas_of

            kept = {"side": side, "planes": planes, "images": images, "batch_norm": batch_norm}
            settings = kept | {"extent": number(extent, "extent")}
            atlas_of(run, output_dir=output_dir, losses=split_losses(losses), jobs=jobs, settings=settings)
            return
        from shared.observatory.run import open_run
        from shared.observatory.run_surfaces import surfaces_of, views_of
        from shared.observatory.run_views import LOSSES, features_of, maps_of, single_image, weights_of

        opened = open_run(Path(run).expanduser(), batch_size=batch_size)
        chosen = split_losses(losses) or LOSSES
        if what == MAPS:
            written = maps_of(opened, image=image, folder=folder, losses=chosen)
        elif what == SINGLE:
            speed = number(rate, "rate")
            written = single_image(opened, image=image, folder=folder, losses=chosen, steps=steps, rate=speed)
        elif what == WEIGHTS:
            written = weights_of(opened, folder=folder)
        elif what == FEATURES:
            written = features_of(opened, layer=layer, channels=channels, folder=folder)
        else:
            views = views_of(opened, plane=plane, planes=planes, seed=seed, extent=number(extent, "extent"))
            written = surfaces_of(
                opened,
                views,
                folder=folder,
                losses=chosen,
                side=side,
                batch_norm=batch_norm,
                at_once=at_once,
                page=page,
            )
    print(f"written to {folder}: {', '.join(path.name for path in written)}")


def curves(text: str, *, folder: Path, scene: Scene) -> list[Path]:
    """Chart and table of one pixel's loss and gradient."""
    chosen = make_losses(split_losses(text) or DEFAULT)
    found = {name: logit_curve(loss, scene=scene) for name, loss in progress_bar(chosen.items(), desc="losses")}
    sets = frozenset(name for name, loss in chosen.items() if not is_pixelwise(loss))
    print(scene.text)
    picture = draw_logit_curves(found, folder / "logit_curves.png", scene=scene.text, set_losses=sets)
    return [picture, write_logit_curves(found, folder / "logit_curves.csv")]


def output_folder(output_dir: str) -> Path:
    """Where pictures go: as given, else runs/losses in `$EYE_BUNDLES_HOME` or the repository."""
    return Path(output_dir).expanduser().resolve() if output_dir else home_folder() / "runs" / "losses"


def check_counts(counts: Mapping[str, Any]) -> None:
    """Refuse what is no whole number from 1 on (seeds and images: from 0)."""
    for flag, value in counts.items():
        least = int(flag not in ("seed", "image"))
        if isinstance(value, bool) or not isinstance(value, int) or value < least:
            raise ConfigError(f"--{flag} is {value!r}", expected=f"a whole number from {least} on", fix="correct it")


def number(value: Any, flag: str) -> float:
    """A number of the command line.

    Raises:
        ConfigError: it is none.
    """
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise ConfigError(f"--{flag} is {value!r}", expected="a number", fix="correct the number")
    return float(value)
