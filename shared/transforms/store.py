"""A mark in a chain of transforms: what is stored ends here."""

from __future__ import annotations

from typing import Any

from monai.transforms import RandomizableTrait, Transform


class StoreUpToHere(Transform, RandomizableTrait):
    """Does nothing; MONAI's caching data sets, and ours, store what comes before the first transform of this trait.

    For chains without a random transform, of which a small intermediate result (uint8) is to be stored rather than the
    last one (float32).
    """

    def __call__(self, data: Any) -> Any:
        return data
