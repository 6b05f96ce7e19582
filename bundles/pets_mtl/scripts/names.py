"""What the classes are called; breeds in the order of Oxford-IIIT Pet's class ids, which is alphabetical."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from scripts.layout import SPECIES

BREEDS = (
    *("Abyssinian", "American Bulldog", "American Pit Bull Terrier", "Basset Hound", "Beagle", "Bengal", "Birman"),
    *("Bombay", "Boxer", "British Shorthair", "Chihuahua", "Egyptian Mau", "English Cocker Spaniel", "English Setter"),
    *("German Shorthaired", "Great Pyrenees", "Havanese", "Japanese Chin", "Keeshond", "Leonberger", "Maine Coon"),
    *("Miniature Pinscher", "Newfoundland", "Persian", "Pomeranian", "Pug", "Ragdoll", "Russian Blue"),
    *("Saint Bernard", "Samoyed", "Scottish Terrier", "Shiba Inu", "Siamese", "Sphynx"),
    *("Staffordshire Bull Terrier", "Wheaten Terrier", "Yorkshire Terrier"),
)
NAMES: dict[str, tuple[str, ...]] = {"species": SPECIES, "breed": BREEDS}


def class_name(task: str, number: int, *, phantom: bool = False) -> str:
    """Such as ``dog``; breeds of phantoms are drawn coats and have numbers only."""
    names = NAMES.get(task, ())
    if number >= len(names) or (phantom and task == "breed"):
        return f"{task} {number + 1}"
    return names[number]


def answers_text(probabilities: Mapping[str, Any], *, phantom: bool = False) -> str:
    """Such as ``cat 97%, Bengal 55%``: the most probable class of every grade task."""
    parts = []
    for task, values in probabilities.items():
        best = int(np.argmax(values))
        parts.append(f"{class_name(task, best, phantom=phantom)} {float(values[best]):.0%}")
    return ", ".join(parts)


def truth_text(grades: Mapping[str, int], *, phantom: bool = False) -> str:
    """Such as ``cat, Bengal``; what is unknown (negative) is left out."""
    return ", ".join(class_name(task, grade, phantom=phantom) for task, grade in grades.items() if grade >= 0)
