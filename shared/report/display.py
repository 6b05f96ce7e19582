"""A photograph as people see it, from what an evaluator holds."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from shared.data.photograph import read_photograph
from shared.draw.look import Photograph
from shared.draw.overlay import shrink_photograph
from shared.metrics.outcome import Outcome

IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_DEVIATION = (0.229, 0.224, 0.225)


def display_photograph(outcome: Outcome, *, size: tuple[int, ...]) -> Photograph:
    """The photograph ``[H, W, 3]`` on which masks of ``size`` (height, width) lie.

    The network's input with its normalisation undone where it has that size, otherwise the file itself.
    """
    if outcome.image_3HW is not None and outcome.image_3HW.shape[1:] == size:
        return undo_normalisation(outcome.image_3HW)
    return shrink_photograph(read_photograph(outcome.path, at_least=(size[0], size[1])).pixels_HW3, (size[0], size[1]))


def undo_normalisation(image_3HW: npt.NDArray) -> Photograph:
    """ImageNet statistics undone: uint8 ``[H, W, 3]``."""
    image_HW3 = np.moveaxis(image_3HW, 0, -1) * np.asarray(IMAGENET_DEVIATION) + np.asarray(IMAGENET_MEAN)
    return (image_HW3 * 255).round().clip(0, 255).astype(np.uint8)
