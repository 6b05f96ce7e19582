"""A data set that decodes a photograph once, and draws the same augmentation whoever loads it."""

from __future__ import annotations

import contextlib
import hashlib
import json
import logging
import os
import zlib
from collections.abc import Callable, Mapping, Sequence
from copy import deepcopy
from pathlib import Path
from typing import Any

import numpy as np
import torch
from monai.data import PersistentDataset
from monai.utils import ensure_tuple
from torch import Tensor

from shared.data.sampling import Draw
from shared.errors import DataError
from shared.files import save_tensors

logger = logging.getLogger(__name__)

CACHE_FORMAT = 1
PACKED = "masks"


class SeededDataset(PersistentDataset):
    """A data set that draws the same augmentation whoever loads it.

    Random transforms are seeded for every draw, by `Draw.seed` or, for a plain index, by ``seed`` and the index. So a
    sample depends neither on the number of workers nor on what was drawn before. Nothing is cached.

    Args:
        data: items of a data list.
        transform: `Compose` or list of transforms.
        seed: of augmentation where an index comes without a seed.
    """

    def __init__(
        self, data: Sequence[Mapping[str, Any]], transform: Sequence[Callable] | Callable, seed: int = 0
    ) -> None:
        super().__init__(data=data, transform=transform, cache_dir=None)
        self.seed = seed

    def __getitem__(self, index: Any) -> Any:
        if isinstance(index, Draw):
            return self._load(index)
        return super().__getitem__(index)

    def set_data(self, data: Sequence[Mapping[str, Any]]) -> None:
        """Change the items."""
        self.data = data

    def _transform(self, index: int) -> Any:
        if not -len(self.data) <= index < len(self.data):
            raise IndexError(f"item {index} of {len(self.data)}")
        position = int(index) % len(self.data)
        seed = int(np.random.SeedSequence([self.seed, position]).generate_state(1)[0])
        return self._load(Draw(position, seed))

    def _load(self, draw: Draw) -> Any:
        sample = self._cachecheck(self.data[draw.index])
        self.transform.set_random_state(seed=draw.seed)
        return self._post_transform(sample)

    def _cachecheck(self, item_transformed: Mapping[str, Any]) -> Any:
        return self._pre_transform(deepcopy(dict(item_transformed)))


class PhotographDataset(SeededDataset):
    """A `SeededDataset` that keeps on disk what the transforms before the first random one give.

    The key is made of the item, its files' sizes and times of change, and the transforms' parameters. Files are written
    beside their place and renamed; masks are packed to bits; a damaged file (checksum) is made anew; a full or
    read-only disk costs the cache, not the run. Only tensors, numbers, text and lists of them are cached (loaded with
    ``weights_only``); keys tell items apart, so that what is cached stays when the items change.

    Args:
        data, transform, seed: as of `SeededDataset`.
        cache_dir: folder for the cache; None: nothing is kept.
        files: keys of the items' files, each a path or a list of paths; an empty path is no file.
    """

    def __init__(
        self,
        data: Sequence[Mapping[str, Any]],
        transform: Sequence[Callable] | Callable,
        cache_dir: str | Path | None = None,
        seed: int = 0,
        files: Sequence[str] = ("image", "mask_paths"),
    ) -> None:
        super().__init__(data, transform, seed)
        self.files = tuple(files)
        self.set_transform_hash(lambda transforms: json.dumps(_describe(transforms)).encode())
        self._complained = False
        if cache_dir is not None:
            self.cache_dir = Path(cache_dir)
            try:
                self.cache_dir.mkdir(parents=True, exist_ok=True)
            except OSError as error:
                self._go_without_cache(error)

    def _cachecheck(self, item_transformed: Mapping[str, Any]) -> Any:
        if self.cache_dir is None:
            return super()._cachecheck(item_transformed)
        file = self.cache_dir / f"{self._key(item_transformed)}.pt"
        with contextlib.suppress(FileNotFoundError):
            try:
                return _unpack(torch.load(file, weights_only=True))
            except FileNotFoundError:
                raise
            except Exception as error:
                logger.warning("cached sample %s is damaged (%s) and is made anew", file.name, type(error).__name__)
        sample = self._pre_transform(deepcopy(dict(item_transformed)))
        self._write(sample, file)
        return sample

    def _key(self, item: Mapping[str, Any]) -> str:
        named = [ensure_tuple(item[key]) for key in self.files if key in item]
        stamps = [_stamp(path) for paths in named for path in paths if path]
        text = json.dumps([CACHE_FORMAT, dict(item), stamps, self.transform_hash], sort_keys=True, default=str)
        return hashlib.sha256(text.encode()).hexdigest()[:32]

    def _write(self, sample: Mapping[str, Any], file: Path) -> None:
        try:
            save_tensors(file, _pack(sample))
        except DataError as error:
            self._go_without_cache(error)

    def _go_without_cache(self, error: Exception) -> None:
        if not self._complained:
            cause = str(error).splitlines()[0]
            logger.warning("nothing can be cached in %s (%s): slower, with the same results", self.cache_dir, cause)
        self._complained = True


def _stamp(path: str) -> tuple[int, int]:
    try:
        status = os.stat(path)
    except OSError:
        return -1, -1
    return status.st_size, status.st_mtime_ns


def _pack(sample: Mapping[str, Any]) -> dict[str, Any]:
    packed = {key: value.contiguous() if isinstance(value, Tensor) else value for key, value in sample.items()}
    masks = packed.pop(PACKED, None)
    checksum = _checksum(packed)
    if masks is not None:
        bits = np.packbits(masks.numpy()) if bool(masks.any()) else np.zeros(0, dtype=np.uint8)
        packed[f"{PACKED}_bits"], packed[f"{PACKED}_shape"] = torch.from_numpy(bits), list(masks.shape)
        checksum = zlib.crc32(bits.tobytes(), checksum)
    return packed | {"checksum": checksum}


def _unpack(packed: dict[str, Any]) -> dict[str, Any]:
    sample = dict(packed)
    expected, shape = sample.pop("checksum"), sample.pop(f"{PACKED}_shape", None)
    bits = sample.pop(f"{PACKED}_bits", None)
    checksum = _checksum(sample)
    if shape is not None:
        checksum = zlib.crc32(bits.numpy(), checksum)
    if checksum != expected:
        raise ValueError("checksum")
    if shape is not None and not len(bits):
        sample[PACKED] = torch.zeros(shape, dtype=torch.uint8)
    elif shape is not None:
        count = int(np.prod(shape))
        sample[PACKED] = torch.from_numpy(np.unpackbits(bits.numpy(), count=count)).reshape(shape)
    return sample


def _checksum(sample: Mapping[str, Any]) -> int:
    checksum = 0
    for key in sorted(sample):
        if isinstance(sample[key], Tensor):
            checksum = zlib.crc32(sample[key].numpy().tobytes(), checksum)
    return checksum


def _describe(value: Any) -> Any:
    """What a transform is and does, as JSON: its class and all its parameters."""
    if isinstance(value, str | int | float | bool | None):
        return value
    if isinstance(value, Mapping):
        return {str(key): _describe(entry) for key, entry in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [_describe(entry) for entry in value]
    if isinstance(value, Tensor | np.ndarray | np.generic):
        return value.tolist()
    is_code = isinstance(value, type) or hasattr(value, "__code__")
    if is_code or not hasattr(value, "__dict__"):
        return getattr(value, "__qualname__", type(value).__qualname__)
    return [type(value).__qualname__, _describe(vars(value))]
