"""Phantom data: drawn fundus photographs in the folder layout and file kinds of IDRiD, made on first use.

What the grades mean here (`scripts.phantoms.lesions` draws by these rules, so they can be derived from the pictures):

- RG 0: no lesion. 1: microaneurysms only. 2: microaneurysms and haemorrhages or exudates, but fewer than
  `SEVERE_HAEMORRHAGES` haemorrhages in some quadrant about the fovea. 3: `SEVERE_HAEMORRHAGES` or more in every one.
  4: new vessels, one or two tufts of fine tangled vessels (listed in `phantoms.json`; IDRiD has no mask for them);
  haemorrhages as in 2.
- MER 0: no hard exudate. 1: none within one disc diameter of the fovea. 2: some within it.

Drawn after looking at IDRiD's training photographs (Porwal et al., Data 2018, CC BY 4.0); no pixel of them is used.
"""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

from scripts.phantoms.files import write_tables
from scripts.phantoms.plan import OFFICIAL_TWINS
from scripts.phantoms.work import draw_all
from shared.errors import ConfigError
from shared.phantoms import build_folder, ensure_folder, folder_of, is_phantom, phantom_facts

DRAWING = 5
_logger = logging.getLogger(__name__)


def phantom_dir(root: str | Path, **parameters: Any) -> Path:
    """The folder under ``root`` that belongs to these parameters of :func:`make_phantoms`."""
    checked = _checked(**parameters)
    height, width = checked["size"]
    number = sum(checked["num_masked"]) + sum(checked["num_graded"])
    return folder_of(root, f"idrid_{height}x{width}_{number}", checked)


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
    num_masked: tuple[int, int] = (54, 27),
    num_graded: tuple[int, int] = (413, 103),
    size: tuple[int, int] = (2848, 4288),
    twins: float = OFFICIAL_TWINS,
    seed: int = 0,
    workers: int | None = None,
    progress: bool = True,
) -> Path:
    """Draws a data set into ``folder``, which appears only when it is complete.

    The same seed gives the same bytes with any number of workers (and the same versions of numpy, scipy and Pillow).
    `phantoms.json` says what is true: ``twins`` (names of the photographs that show one eye) and ``eyes`` (photographs,
    grades, landmarks and diameters in pixels).

    Args:
        num_masked: photographs in part A (with masks), train and test. num_graded: those in part B (with grades).
        size: height and width in pixels, from 178x268 to 2848x4288.
        twins: share of part A's photographs that are in part B too, under other numbers.
        workers: processes; all cores by default. progress: show a bar with the time left.

    Raises:
        ConfigError: for parameters that cannot be drawn.
        DataError: if ``folder`` exists and is not empty, or cannot be written.
    """
    checked = _checked(num_masked=num_masked, num_graded=num_graded, size=size, twins=twins, seed=seed)
    number = sum(checked["num_masked"]) + sum(checked["num_graded"])

    def fill(building: Path) -> dict[str, Any]:
        _logger.info(f"PHANTOMS: drawing {number} photographs of {size[1]}x{size[0]} pixels into {folder}")
        settings = {key: checked[key] for key in ("num_masked", "num_graded", "twins", "seed")}
        facts = draw_all(building, settings, size=checked["size"], workers=workers, progress=progress)
        write_tables(building, facts)
        names = [list(eye["photographs"]) for eye in facts]
        return {"twins": [group for group in names if len(group) > 1], "eyes": facts}

    return build_folder(folder, fill, label=_LABEL, parameters=checked)


_LABEL = """PHANTOMS: these are not photographs.

Every picture in this folder was drawn by a program (bundles/idrid_moe_mtl/scripts/phantoms.py) to look like a fundus
photograph of the IDRiD data set and is stored in its folder layout. No patient, no eye and no camera was involved.
Nothing learned or measured on them has any clinical meaning. `phantoms.json` says what is true of each picture.
"""


def _checked(
    *,
    num_masked: Any = (54, 27),
    num_graded: Any = (413, 103),
    size: Any = (2848, 4288),
    twins: Any = OFFICIAL_TWINS,
    seed: Any = 0,
) -> dict[str, Any]:
    """The parameters that determine the bytes, as JSON types."""
    problem = ""
    for key, pair in (("num_masked", num_masked), ("num_graded", num_graded), ("size", size)):
        if len(pair) != 2 or any(number != int(number) or number < 0 for number in pair):
            problem = f"{key} is {pair}"
    if not problem and not (178 <= size[0] <= 2848 and 268 <= size[1] <= 4288):
        problem = f"size is {size}"
    if not 0 <= twins <= 1:
        problem = f"twins is {twins}"
    if problem:
        raise ConfigError(
            f"phantoms cannot be drawn: {problem}",
            expected="num_masked and num_graded as [train, test], size as [height, width] from [178, 268] to "
            "[2848, 4288], twins from 0 to 1",
            fix="correct the phantoms' parameters in the config",
        )
    pairs = {"num_masked": num_masked, "num_graded": num_graded, "size": size}
    return {key: [int(number) for number in pair] for key, pair in pairs.items()} | {
        "twins": float(twins),
        "seed": int(seed),
        "drawing": DRAWING,
    }


__all__ = ["ensure_phantoms", "is_phantom", "make_phantoms", "phantom_dir", "phantom_facts"]
