"""Losses as they are typed: a name of `LOSSES` with settings, such as ``focal(gamma=3)``."""

from __future__ import annotations

import ast
from collections.abc import Iterable, Sequence

from shared.errors import ConfigError
from shared.losses.segmentation import CROSS_ENTROPY, FOCAL, SegmentationLoss

PIXELWISE = (CROSS_ENTROPY, FOCAL)
# The published study's eight, and one of each other kind.
PUBLISHED = (
    "cross_entropy",
    "cross_entropy(class_weights=[1,2])",
    "cross_entropy(class_weights=[1,3])",
    "cross_entropy(class_weights=[1,4])",
    "focal(gamma=1)",
    "focal(gamma=2)",
    "focal(gamma=3)",
    "focal(gamma=5)",
)
DEFAULT = (*PUBLISHED, "dice", "tversky", "unified_focal", "hausdorff", "boundary")


def make_loss(text: str, *, num_classes: int = 2) -> SegmentationLoss:
    """The loss of a text such as ``dice`` or ``cross_entropy(class_weights=[1,2])``.

    Args:
        text: a key of `LOSSES`, with settings of `SegmentationLoss` as keyword arguments in brackets.
        num_classes: K.

    Raises:
        ConfigError: the text cannot be read, or names no loss or setting.
    """
    expected = "a loss with its settings, such as dice, focal(gamma=3) or cross_entropy(class_weights=[1,2])"
    try:
        tree = ast.parse(text.strip(), mode="eval").body
        if isinstance(tree, ast.Name):
            return SegmentationLoss(name=tree.id, num_classes=num_classes)
        if not isinstance(tree, ast.Call) or not isinstance(tree.func, ast.Name) or tree.args:
            raise ValueError("not a name with keyword arguments")
        settings = {str(keyword.arg): ast.literal_eval(keyword.value) for keyword in tree.keywords}
        return SegmentationLoss(name=tree.func.id, num_classes=num_classes, **settings)
    except ConfigError:
        raise
    except (SyntaxError, ValueError, TypeError) as error:
        raise ConfigError(f"the loss {text!r}: {error}", expected=expected, fix="correct --losses") from error


def make_losses(texts: Iterable[str] = DEFAULT, *, num_classes: int = 2) -> dict[str, SegmentationLoss]:
    """Losses by their texts, each once."""
    return {text.strip(): make_loss(text, num_classes=num_classes) for text in texts}


def split_losses(text: str) -> Sequence[str]:
    """``dice, focal(gamma=3)`` -> ``["dice", "focal(gamma=3)"]``: commas in brackets separate nothing."""
    parts, depth = [""], 0
    for letter in text:
        depth += (letter in "([") - (letter in ")]")
        if letter == "," and not depth:
            parts.append("")
        else:
            parts[-1] += letter
    return [part.strip() for part in parts if part.strip()]


def is_pixelwise(loss: SegmentationLoss) -> bool:
    """Whether the loss is a weighted mean over pixels of what each costs by itself (not Dice, Tversky, distances)."""
    return all(part in PIXELWISE for part in loss.parts)
