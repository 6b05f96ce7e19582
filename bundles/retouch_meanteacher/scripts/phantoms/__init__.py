"""Phantom data: drawn OCT volumes in the folder layout and file kinds of RETOUCH, made on first use.

Retinal layers are surfaces over the scanned square, so B-scans agree with each other. Fluids lie where they occur:

- IRF: cysts within the inner and outer nuclear layers of a swollen retina, at times a large one at the fovea.
- SRF: a lens between the photoreceptors and the pigment epithelium.
- PED: the pigment epithelium raised above Bruch's membrane, filled with clear fluid or with tissue.

Dark without being fluid are vessels' and exudates' shadows, the outer nuclear layer (nearly as dark as fluid in some
volumes), lumina of the choroid, the space behind a detached vitreous; swollen retinas without a cyst exist, and small
drusen that are no detachment. Volumes differ much in contrast, noise, tilt and shape, so that few labels do not show
all there is. Drawn after looking at Duke's B-scans (Chiu et al. 2015) and pictures in papers; no pixel is used.
"""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

from scripts.phantoms.files import write_foveas
from scripts.phantoms.vendors import VENDORS
from scripts.phantoms.work import draw_all
from shared.errors import ConfigError
from shared.phantoms import build_folder, ensure_folder, folder_of, is_phantom, phantom_facts

DRAWING = 4
OFFICIAL = (24, 24, 22)
_logger = logging.getLogger(__name__)


def phantom_dir(root: str | Path, **parameters: Any) -> Path:
    """The folder under ``root`` that belongs to these parameters of :func:`make_phantoms`."""
    checked = _checked(**parameters)
    number = sum(checked["volumes"]) + sum(checked["unlabelled"])
    return folder_of(root, f"retouch_{number}", checked)


def ensure_phantoms(root: str | Path, *, workers: int | None = None, progress: bool = True, **parameters: Any) -> Path:
    """Makes phantoms under ``root``, unless they are there already, and returns their folder.

    The folder's name is derived from the parameters, so other parameters never disturb finished phantoms. Several
    processes may call this at once: one draws, the others wait for it.

    Args:
        root: where phantom data sets are kept. parameters: those of :func:`make_phantoms`.

    Raises:
        ConfigError: for parameters that cannot be drawn.
    """
    return ensure_folder(
        phantom_dir(root, **parameters),
        lambda folder: make_phantoms(folder, workers=workers, progress=progress, **parameters),
    )


def make_phantoms(
    folder: str | Path,
    *,
    volumes: tuple[int, int, int] = OFFICIAL,
    unlabelled: tuple[int, int, int] = (0, 0, 0),
    scale: float = 1.0,
    slice_scale: float | None = None,
    seed: int = 0,
    workers: int | None = None,
    progress: bool = True,
) -> Path:
    """Draws a data set into ``folder``, which appears only when it is complete.

    The same seed gives the same bytes with any number of workers (and the same versions of numpy and scipy).
    `phantoms.json` says of each volume (``volumes``): name, vendor, shape and spacing [z, y, x] in mm, each fluid's
    voxels and mm^3, and the fovea's B-scan and column; `foveas.csv` repeats the latter.

    Args:
        volumes: volumes with reference of Cirrus, Spectralis and Topcon. unlabelled: further ones without.
        scale: of the number of rows and columns, 0.1 to 1; a volume always covers 6 x 6 mm.
        slice_scale: of the number of B-scans; None: as ``scale``. There are at least 4.
        workers: processes; all cores by default. progress: show a bar with the time left.

    Raises:
        ConfigError: for parameters that cannot be drawn.
        DataError: if ``folder`` exists and is not empty, or cannot be written.
    """
    checked = _checked(volumes=volumes, unlabelled=unlabelled, scale=scale, slice_scale=slice_scale, seed=seed)
    number = sum(checked["volumes"]) + sum(checked["unlabelled"])

    def fill(building: Path) -> dict[str, Any]:
        _logger.info(f"PHANTOMS: drawing {number} OCT volumes at scale {checked['scale']} into {folder}")
        facts = draw_all(building, checked, workers=workers, progress=progress)
        write_foveas(building, facts)
        return {"volumes": facts}

    return build_folder(folder, fill, label=_LABEL, parameters=checked)


_LABEL = """PHANTOMS: these are not scans.

Every volume in this folder was drawn by a program (bundles/retouch_meanteacher/scripts/phantoms) to look like an
optical coherence tomography of the retina and is stored in the folder layout of the RETOUCH data set. No patient, no
eye and no scanner was involved. Nothing learned or measured on them has any clinical meaning. `phantoms.json` says
what is true of each volume.
"""


def _checked(
    *,
    volumes: Any = OFFICIAL,
    unlabelled: Any = (0, 0, 0),
    scale: Any = 1.0,
    slice_scale: Any = None,
    seed: Any = 0,
) -> dict[str, Any]:
    """The parameters that determine the bytes, as JSON types."""
    slice_scale = scale if slice_scale is None else slice_scale
    problem = ""
    for key, numbers in (("volumes", volumes), ("unlabelled", unlabelled)):
        listed = list(numbers) if isinstance(numbers, (list, tuple)) else []
        if len(listed) != len(VENDORS) or not all(isinstance(number, int) and number >= 0 for number in listed):
            problem = f"{key} is {numbers!r}"
    for key, factor, least in (("scale", scale, 0.1), ("slice_scale", slice_scale, 0.01)):
        if not (isinstance(factor, (int, float)) and least <= factor <= 1):
            problem = problem or f"{key} is {factor!r}"
    if problem or not sum(volumes) + sum(unlabelled):
        raise ConfigError(
            f"phantoms cannot be drawn: {problem or 'no volume is asked for'}",
            expected=f"volumes and unlabelled as three numbers ({', '.join(v.name for v in VENDORS)}), at least one "
            "volume in all, scale from 0.1 to 1, slice_scale from 0.01 to 1",
            fix="correct the phantoms' parameters in the config",
        )
    return {
        "volumes": [int(number) for number in volumes],
        "unlabelled": [int(number) for number in unlabelled],
        "scale": float(scale),
        "slice_scale": float(slice_scale),
        "seed": int(seed),
        "drawing": DRAWING,
    }


__all__ = ["ensure_phantoms", "is_phantom", "make_phantoms", "phantom_dir", "phantom_facts"]
