"""Which volumes a phantom data set has, from which scanner, with which fluids."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from scripts.phantoms.vendors import VENDORS, Vendor

FLUIDS = ("IRF", "SRF", "PED")
# One vendor's volumes take these in turn; most have several fluids, as most of RETOUCH's have.
_COMBINATIONS = (
    ("IRF", "SRF", "PED"),
    (),
    ("IRF", "SRF"),
    ("SRF", "PED"),
    ("IRF", "PED"),
    ("IRF", "SRF", "PED"),
    ("IRF",),
    ("SRF", "PED"),
    ("IRF", "SRF"),
    ("PED",),
    ("IRF", "SRF", "PED"),
    (),
)


class PlannedVolume(NamedTuple):
    """One volume: number (TRAINnnn, counted over all vendors), scanner, fluids, whether a reference is written."""

    number: int
    vendor: Vendor
    model: int
    fluids: tuple[str, ...]
    labelled: bool

    @property
    def patient(self) -> str:
        return f"TRAIN{self.number:03d}"

    @property
    def name(self) -> str:
        return f"{self.vendor.name}/{self.patient}"


def plan_volumes(*, volumes: Sequence[int], unlabelled: Sequence[int], seed: int) -> list[PlannedVolume]:
    """Plans a data set like RETOUCH's training set, numbered through the vendors as there.

    With three labelled volumes or more, every vendor has every fluid and a volume without any among the labelled.

    Args:
        volumes: labelled volumes of Cirrus, Spectralis, Topcon. unlabelled: further ones, without reference.
    """
    rng = np.random.default_rng(np.random.SeedSequence((seed, 2)))
    planned: list[PlannedVolume] = []
    for vendor, *numbers in zip(VENDORS, volumes, unlabelled, strict=True):
        for count, labelled in zip(numbers, (True, False), strict=True):
            fluids = [_COMBINATIONS[n % len(_COMBINATIONS)] for n in range(count)]
            for index in rng.permutation(count):
                number = len(planned) + 1
                planned.append(PlannedVolume(number, vendor, number, fluids[index], labelled))
    return planned
