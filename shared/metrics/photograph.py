"""What one photograph's class map is worth: overlap, the share of pixels that are right, and how sure the network is.

Dimensions: K classes, H W rows and columns.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from shared.errors import ConfigError

BACKGROUND = "background"
ALL = "all"


def measure_names(classes: Sequence[str]) -> list[str]:
    """Names that `photograph_measures` gives, in its order.

    Args:
        classes: names of classes 1..K-1.
    """
    everywhere = [BACKGROUND, *classes]
    return [
        *(f"accuracy_{name}" for name in (ALL, *everywhere)),
        *(f"iou_{name}" for name in classes),
        *(f"dice_{name}" for name in classes),
        *(f"confidence_{name}" for name in everywhere),
    ]


def photograph_measures(probabilities_KHW: Tensor, label_HW: Tensor, *, classes: Sequence[str]) -> dict[str, float]:
    """Measures of one photograph.

    ``accuracy_all``: share of pixels whose most probable class is true; ``accuracy_<class>``: the same share of the
    class's true pixels (its sensitivity, not the ratio of areas). ``iou_<class>``, ``dice_<class>``: of the most
    probable class. ``confidence_<class>``: mean probability of the class over its true pixels.

    What has no pixels is NaN: accuracy and confidence of a class that is not there, IoU and Dice of a class in neither
    truth nor prediction. A false alarm of an absent class has IoU and Dice 0.

    Args:
        probabilities_KHW: 0..1, sum 1 over classes.
        label_HW: class indices.
        classes: names of classes 1..K-1.

    Raises:
        ConfigError: other classes or another size than the label's.
    """
    if len(probabilities_KHW) != len(classes) + 1 or probabilities_KHW.shape[1:] != label_HW.shape:
        raise ConfigError(
            f"class maps {list(probabilities_KHW.shape)}, a label {list(label_HW.shape)}, classes {', '.join(classes)}",
            expected=f"{len(classes) + 1} maps, the background's first, of the label's size",
            fix="let `classes` name all classes but the background, and give labels at the network's size",
        )
    size = len(classes) + 1
    truth, chosen = label_HW.flatten().long(), probabilities_KHW.argmax(0).flatten()
    confusion_KK = torch.bincount(truth * size + chosen, minlength=size * size).view(size, size).double()
    hits_K, truth_K, found_K = confusion_KK.diagonal(), confusion_KK.sum(1), confusion_KK.sum(0)
    own = probabilities_KHW.flatten(1).gather(0, truth[None])[0].double()
    confidence_K = torch.zeros(size, dtype=torch.float64, device=own.device).index_add_(0, truth, own) / truth_K
    values = [
        hits_K.sum() / truth_K.sum(),
        *(hits_K / truth_K),
        *(hits_K / (truth_K + found_K - hits_K))[1:],
        *(2 * hits_K / (truth_K + found_K))[1:],
        *confidence_K,
    ]
    return dict(zip(measure_names(classes), (float(value) for value in values), strict=True))
