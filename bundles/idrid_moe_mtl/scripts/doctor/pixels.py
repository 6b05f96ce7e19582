"""Every file decoded: what the header does not tell, and what is drawn where."""

from __future__ import annotations

from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from scripts.doctor.files import Survey
from scripts.idrid import Entry
from shared.data.field_of_view import find_field_of_view
from shared.data.photograph import read_mask, read_photograph
from shared.doctor import ERROR, NOTE, WARNING, Diagnosis, Picture
from shared.draw.overlay import fitted_size, shrink_mask
from shared.errors import DataError
from shared.progress import progress_bar

SMALL = 536
MOST_OF_RETINA = 0.30
MOST_OF_DISC = 0.25
DISC_SHARE = (0.004, 0.06)
DARK = 40.0  # IDRiD's darkest training photograph: 57


class Look(NamedTuple):
    """What one photograph and its masks show.

    ``problems``: (kind of file: "" or a mask's, message, fix). ``shares``: a mask's share of the retina by kind, 0..1.
    ``small``: masks reduced to at most 536 pixels. ``brightness``: median of the
    brightest colour within the retina, 0..255; None where no field of view was found.
    """

    problems: list[tuple[str, str, str]]
    shares: dict[str, float]
    small: dict[str, NDArray[np.bool_]]
    brightness: float | None

    @property
    def sound(self) -> bool:
        """Whether the photograph itself can be used."""
        return self.brightness is not None


def check_pixels(
    survey: Survey, sizes: Mapping[str, tuple[int, int]], diagnosis: Diagnosis, *, num_workers: int = 2
) -> dict[str, Look]:
    """Decode all photographs and masks that the headers let pass; what was seen, by the photograph's name.

    Threads are enough: decoding runs without Python's lock, and nothing has to be sent between processes.
    """
    entries = [entry for entry in survey.entries if entry.name in sizes]
    looks: dict[str, Look] = {}
    with ThreadPoolExecutor(max(1, num_workers)) as pool:
        made = pool.map(look_at, entries)
        for entry, look in zip(
            entries, progress_bar(made, total=len(entries), desc="decoding every file", unit="photo"), strict=True
        ):
            looks[entry.name] = look
            _judge(survey, entry, look, diagnosis)
    return looks


def look_at(entry: Entry) -> Look:
    """Decode one photograph with its masks."""
    problems: list[tuple[str, str, str]] = []
    brightness, retina_share, size = None, 1.0, None
    try:
        photograph = read_photograph(entry.image)
        size = photograph.full_size
        find_field_of_view(photograph.pixels_HW3, photo_size=size, name=entry.image.name)
        light_HW = photograph.pixels_HW3[::4, ::4].max(axis=2)
        retina_HW = light_HW > 10
        retina_share = float(retina_HW.mean())
        brightness = float(np.median(light_HW[retina_HW]))
    except DataError as error:
        problems.append(("", error.received.replace(str(entry.image), entry.image.name), error.fix))
    except Exception as error:  # whatever a damaged file makes the decoder do, the other files are looked at
        problems.append(("", f"decoding fails with {type(error).__name__}: {error}", "replace the file"))
    shares: dict[str, float] = {}
    small: dict[str, NDArray[np.bool_]] = {}
    for kind, path in entry.masks.items():
        try:
            mask_HW = read_mask(path, size=size, photograph=entry.name)
        except DataError as error:
            problems.append((kind, error.received.replace(str(path), path.name), error.fix))
            continue
        except Exception as error:
            problems.append((kind, f"decoding fails with {type(error).__name__}: {error}", "replace the file"))
            continue
        shares[kind] = min(1.0, float(mask_HW.mean()) / retina_share)
        small[kind] = shrink_mask(mask_HW, fitted_size((mask_HW.shape[0], mask_HW.shape[1]), SMALL))
    return Look(problems, shares, small, brightness)


def _judge(survey: Survey, entry: Entry, look: Look, diagnosis: Diagnosis) -> None:
    for kind, message, fix in look.problems:
        path = entry.masks[kind] if kind else entry.image
        if kind:
            fault = "mask with other values than 0, 1 and 255" if "other values" in message else _UNREADABLE_MASK
        else:
            fault = "no fundus photograph" if "no fundus photograph" in message else _UNREADABLE_PHOTOGRAPH
        pictures = [Picture(path)]
        diagnosis.add(ERROR, fault, message, survey.name(path), fix=fix, pictures=pictures)
    if look.brightness is not None and look.brightness < DARK:
        message = f"half of its retina is darker than {look.brightness:.0f} of 255 in every colour"
        pictures = [Picture(entry.image)]
        diagnosis.add(WARNING, "dark photograph", message, entry.name, fix="look at it", pictures=pictures)
    for kind, share in look.shares.items():
        path = entry.masks[kind]

        def warn(fault: str, message: str, fix: str, kind: str = kind, path: Path = path) -> None:
            pictures = [Picture(entry.image, {kind: path})]
            diagnosis.add(WARNING, fault, message, survey.name(path), fix=fix, pictures=pictures)

        if share == 0:
            message = "the file is there and holds nothing: read as absent, like a file that is missing"
            diagnosis.add(NOTE, "empty mask", message, survey.name(path))
        elif share > MOST_OF_RETINA:
            message = f"it covers {share:.0%} of the retina"
            warn("mask likely inverted or an alpha channel", message, "look at it; export the mask again")
        elif kind == "OD" and not DISC_SHARE[0] <= share <= DISC_SHARE[1]:
            message = f"it covers {share:.2%} of the retina, a disc {DISC_SHARE[0]:.1%} to {DISC_SHARE[1]:.0%}"
            warn("optic disc of unusual size", message, "look at it")
        elif kind != "OD" and "OD" in look.small and (overlap := _overlap(look, kind)) > MOST_OF_DISC:
            message = f"it covers {overlap:.0%} of the optic disc"
            warn("lesion on the optic disc", message, "look at it: masks of two kinds may have been exchanged")


_UNREADABLE_MASK, _UNREADABLE_PHOTOGRAPH = "mask that cannot be read", "photograph that cannot be read"


def _overlap(look: Look, kind: str) -> float:
    disc_HW, lesion_HW = look.small["OD"], look.small[kind]
    return float((disc_HW & lesion_HW).sum() / max(1, disc_HW.sum())) if disc_HW.shape == lesion_HW.shape else 0.0
