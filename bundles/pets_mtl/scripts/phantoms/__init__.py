"""Phantom data: drawn animals in the folder layout and file kinds of Oxford-IIIT Pet, made on first use.

Cats have pointed ears, whiskers and a thin tail, dogs hanging or folded ears and a long muzzle. A breed is a coat
(colour, stripes or patches), an ear and a build; every animal varies in place, size, pose, light and background, and
the head may be anywhere in the image. Every kind of file that the real set has and that surprises is there: trimaps
with a border, one without any pet, images without a head box, JPEGs that are a PNG or a GIF or CMYK inside, stray
``.mat`` files.
"""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

from scripts.layout import NUM_BREEDS
from scripts.phantoms.plan import plan_animals
from scripts.phantoms.work import draw_all, write_lists, write_stray_files
from shared.errors import ConfigError
from shared.phantoms import build_folder, ensure_folder, folder_of, is_phantom

__all__ = ["ensure_phantoms", "is_phantom", "make_phantoms"]

_logger = logging.getLogger(__name__)
_LABEL = """PHANTOMS: these are not photographs.

Every animal in this folder was drawn by a program (bundles/pets_mtl/scripts/phantoms) and is stored in the folder
layout of the Oxford-IIIT Pet data set. Nothing measured on them says anything about real animals. `phantoms.json` says
what is true of each.
"""


def ensure_phantoms(root: str | Path, *, workers: int | None = None, progress: bool = True, **parameters: Any) -> Path:
    """Makes phantoms under ``root``, unless they are there already, and returns their folder.

    The folder's name is derived from the parameters. Several processes may call this at once: one draws.

    Args:
        root: where phantom data sets are kept. parameters: those of :func:`make_phantoms`.

    Raises:
        ConfigError: for parameters that cannot be drawn.
    """
    checked = _checked(**parameters)
    return ensure_folder(
        folder_of(root, f"pets_{checked['number']}", checked),
        lambda folder: make_phantoms(folder, workers=workers, progress=progress, **checked),
    )


def make_phantoms(
    folder: str | Path,
    *,
    number: int = 240,
    breeds: int = 6,
    size: int = 256,
    seed: int = 0,
    workers: int | None = None,
    progress: bool = True,
) -> Path:
    """Draws a data set into ``folder``, which appears only when it is complete.

    Half of the images are in trainval.txt, as in the real set; most of these have a head box, and none of test.txt's
    has. The same seed gives the same bytes with any number of workers.

    Args:
        number: images, at least two for each breed. breeds: 2 to 37, cats and dogs in turn.
        size: the longer side, 48 to 1024 pixels; the other is between half of it and all of it.
        workers: processes; all cores by default. progress: show a bar with the time left.

    Raises:
        ConfigError: for parameters that cannot be drawn.
        DataError: if ``folder`` exists and is not empty, or cannot be written.
    """
    checked = _checked(number=number, breeds=breeds, size=size, seed=seed)

    def fill(building: Path) -> dict[str, Any]:
        _logger.info(f"PHANTOMS: drawing {number} animals into {folder}")
        facts = draw_all(building, checked, workers=workers, progress=progress)
        write_lists(building, plan_animals(**checked))
        write_stray_files(building)
        return {"animals": facts}

    return build_folder(folder, fill, label=_LABEL, parameters=checked)


def _checked(*, number: int = 240, breeds: int = 6, size: int = 256, seed: int = 0) -> dict[str, int]:
    given = {"number": number, "breeds": breeds, "size": size, "seed": seed}
    whole = all(isinstance(value, int) and not isinstance(value, bool) for value in given.values())
    if not whole or not 2 <= breeds <= NUM_BREEDS or number < 2 * breeds or not 48 <= size <= 1024 or seed < 0:
        raise ConfigError(
            f"phantoms cannot be drawn: {given}",
            expected=f"2 to {NUM_BREEDS} breeds, two images for each or more, size 48 to 1024, seed from 0",
            fix="correct the key `phantoms`",
        )
    return given
