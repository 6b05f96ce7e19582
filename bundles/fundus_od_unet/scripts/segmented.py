"""Disc and cup as masks, one inside the other, from a network's probabilities or from a label map."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from scripts.entry import CUP, DISC
from scripts.validation import THRESHOLD, nested_probabilities
from shared.errors import ConfigError
from shared.report.findings import largest_component

Mask = NDArray[np.bool_]


class Segmented(NamedTuple):
    """``masks``: [H,W] by class, the cup inside the disc. ``removed_px``: pixels of other components, by class."""

    masks: dict[str, Mask]
    removed_px: dict[str, int]


def segment(probabilities_KHW: Tensor, classes: Sequence[str], *, keep_largest: bool = True) -> Segmented:
    """The masks that probabilities mean: the disc where disc (rim) and cup together exceed 0.5, the cup where its do.

    Args:
        probabilities_KHW: of background and ``classes``, adding up to 1.
        classes: ["disc"] or ["disc", "cup"].
        keep_largest: leave only the largest 8-connected component of the disc, and of the cup inside it.

    Raises:
        ConfigError: probabilities of another number of classes.
    """
    if len(probabilities_KHW) != len(classes) + 1:
        raise ConfigError(
            f"the network gives {len(probabilities_KHW)} classes",
            expected=f"{len(classes) + 1}: background, {', '.join(classes)}",
            fix="give the `classes` that the weights were trained with",
        )
    raw = dict(zip(classes, (nested_probabilities(probabilities_KHW) > THRESHOLD).cpu().numpy(), strict=True))
    if not keep_largest:
        return Segmented(raw, dict.fromkeys(raw, 0))
    masks: dict[str, Mask] = {}
    for name, mask_HW in raw.items():
        masks[name] = largest_component(mask_HW & masks[DISC] if name == CUP else mask_HW)
    removed = {name: int(np.count_nonzero(raw[name]) - np.count_nonzero(masks[name])) for name in raw}
    return Segmented(masks, removed)


def masks_of_label(label_HW: NDArray, classes: Sequence[str]) -> dict[str, Mask]:
    """The masks [H,W] of a label map: the disc is disc (rim) and cup."""
    return {name: label_HW >= number for number, name in enumerate(classes, start=1)}
