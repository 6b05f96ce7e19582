"""Losses as they are typed: a name of `LOSSES` with settings, such as ``focal(gamma=3)``."""

from __future__ import annotations

import ast
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from shared.errors import ConfigError
from shared.losses.segmentation import CROSS_ENTROPY, FOCAL, LOSSES, SegmentationLoss

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


def trained_loss(config: Mapping[str, Any]) -> str:
    """The loss that a run was trained with, as typed, from the keys of its configuration.

    Args:
        config: with ``loss_name`` and, where they count, ``class_weights`` and ``gamma``.

    Raises:
        ConfigError: there is no ``loss_name``.
    """
    name = config.get("loss_name")
    if not isinstance(name, str) or name not in LOSSES:
        raise ConfigError(
            f"the run's loss_name is {name!r}",
            expected=f"one of {', '.join(LOSSES)}",
            fix="look at the run by itself, with --losses",
        )
    weights, gamma = config.get("class_weights"), config.get("gamma")
    settings = [f"gamma={gamma:g}"] if FOCAL in LOSSES[name] and gamma is not None else []
    if weights and len(set(weights)) > 1:
        settings.append(f"class_weights=[{','.join(f'{weight:g}' for weight in weights)}]")
    return f"{name}({', '.join(settings)})" if settings else name


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
