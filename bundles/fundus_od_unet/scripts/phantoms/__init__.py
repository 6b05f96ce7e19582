"""Phantom data: drawn stereo photographs of optic discs in RIM-ONE r3's layout, outlined by two readers who differ."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from scripts.phantoms.eye import READERS, draw_eye
from scripts.rim_one_r3 import GROUPS, STEREO
from scripts.rim_one_r3 import READERS as FOLDERS
from shared.errors import ConfigError
from shared.phantoms import build_folder, ensure_folder, folder_of, is_phantom, phantom_facts
from shared.progress import progress_bar

DRAWING = 1
OFFICIAL = (85, 74)
_logger = logging.getLogger(__name__)
_COMMENT = b"PHANTOM: drawn by a program, not a photograph of an eye"


def phantom_dir(root: str | Path, **parameters: Any) -> Path:
    """The folder under ``root`` that belongs to these parameters of :func:`make_phantoms`."""
    checked = _checked(**parameters)
    return folder_of(root, f"rim_one_r3_{sum(checked['photographs'])}", checked)


def ensure_phantoms(root: str | Path, *, progress: bool = True, **parameters: Any) -> Path:
    """Makes phantoms under ``root``, unless they are there already, and returns their folder; see `make_phantoms`."""
    folder = phantom_dir(root, **parameters)
    return ensure_folder(folder, lambda place: make_phantoms(place, progress=progress, **parameters))


def make_phantoms(
    folder: str | Path,
    *,
    photographs: tuple[int, int] = OFFICIAL,
    scale: float = 1.0,
    seed: int = 0,
    progress: bool = True,
) -> Path:
    """Draws a data set into ``folder``, which appears only when it is complete.

    The same seed gives the same bytes (with the same versions of numpy, scipy and Pillow). `phantoms.json` says of
    every photograph its name, whether it was drawn with glaucoma, and the vertical cup-to-disc ratio that was drawn.

    Args:
        photographs: healthy eyes and eyes with glaucoma; both eyes of a person, as far as the number goes.
        scale: of 2144 x 1424 pixels, 0.05 to 1.
        progress: show a bar with the time left.

    Raises:
        ConfigError: for parameters that cannot be drawn.
        DataError: if ``folder`` exists and is not empty, or cannot be written.
    """
    checked = _checked(photographs=photographs, scale=scale, seed=seed)

    def fill(building: Path) -> dict[str, Any]:
        number = sum(checked["photographs"])
        _logger.info(f"PHANTOMS: drawing {number} stereo photographs at scale {checked['scale']} into {folder}")
        eyes = [(group, place) for group in (0, 1) for place in range(checked["photographs"][group])]
        bar = progress_bar(eyes, desc="drawing PHANTOMS", unit="eye", disable=not progress)
        drawn = [_write(building, group, place, scale=checked["scale"], seed=checked["seed"]) for group, place in bar]
        return {"photographs": drawn}

    return build_folder(folder, fill, label=_LABEL, parameters=checked)


def _write(folder: Path, group: int, place: int, *, scale: float, seed: int) -> dict[str, Any]:
    person, left = place // 2 + 1, place % 2 == 0
    eye = draw_eye(glaucoma=bool(group), left=left, scale=scale, seed=(seed, 3, group, place))
    stem = f"{'NG'[group]}-{person}-{'L' if left else 'R'}"
    target = folder / GROUPS[group] / STEREO
    target.mkdir(parents=True, exist_ok=True)
    Image.fromarray(eye.image_HW3).save(target / f"{stem}.jpg", quality=92, comment=_COMMENT)
    for directory, (reader, ending) in FOLDERS.items():
        (target / directory).mkdir(exist_ok=True)
        for kind in ("disc", "cup"):
            mask_HW = eye.masks[READERS[0], kind] & eye.masks[READERS[1], kind]
            if reader in READERS:
                mask_HW = eye.masks[reader, kind]
            file = target / directory / f"{stem}-{kind.title()}-{ending}.png"
            Image.fromarray(np.where(mask_HW, 255, 0).astype(np.uint8)).save(file)
    return {"name": stem, "glaucoma": bool(group), "vertical_cup_to_disc": round(eye.vertical_ratio, 4)}


_LABEL = """PHANTOMS: these are not photographs.

Every picture in this folder was drawn by a program (bundles/fundus_od_unet/scripts/phantoms) to look like a stereo
photograph of the optic disc and is stored in the folder layout of RIM-ONE r3. No patient, no eye, no camera and no
expert was involved. Nothing learned or measured on them has any clinical meaning. Masks called Average are what both
drawn readers have in common.
"""


def _checked(*, photographs: Any = OFFICIAL, scale: Any = 1.0, seed: Any = 0) -> dict[str, Any]:
    """The parameters that determine the bytes, as JSON types."""
    numbers = list(photographs) if isinstance(photographs, (list, tuple)) else []
    sound = len(numbers) == 2 and all(isinstance(number, int) and number >= 0 for number in numbers) and sum(numbers)
    if not sound or not isinstance(scale, (int, float)) or not 0.05 <= scale <= 1:
        raise ConfigError(
            f"phantoms cannot be drawn: photographs {photographs!r}, scale {scale!r}",
            expected="photographs as [healthy, glaucoma], at least one, and scale from 0.05 to 1",
            fix="correct the phantoms' parameters in the config",
        )
    return {"photographs": numbers, "scale": float(scale), "seed": int(seed), "drawing": DRAWING}


__all__ = ["ensure_phantoms", "is_phantom", "make_phantoms", "phantom_dir", "phantom_facts"]
