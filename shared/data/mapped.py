"""A data set that is decoded and resized once, and then read from memory-mapped arrays: for many small images."""

from __future__ import annotations

import hashlib
import json
import shutil
import tempfile
from collections.abc import Callable, Mapping, Sequence
from copy import deepcopy
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.lib.format import open_memmap
from numpy.typing import NDArray
from torch import Tensor

from shared.data.dataset import CACHE_FORMAT, SeededDataset, _describe, _stamp
from shared.data.sampling import Draw
from shared.errors import DataError
from shared.files import WRITABLE
from shared.phantoms.lock import only_one
from shared.progress import progress_bar

REST = "rest.json"


class MappedDataset(SeededDataset):
    """A `SeededDataset` whose samples, as they are before the first random transform, lie in one array for each key.

    The arrays are made on first use, by one process while others wait, in a folder named by the items, their files'
    sizes and times of change, and the transforms' parameters; it appears only when it is complete. They are opened once
    in every process, and the system keeps in memory what fits. All samples must have the same keys, shapes and types;
    what is no tensor must be JSON.

    Args:
        data, transform, seed: as of `SeededDataset`.
        cache_dir: where the folder is made.

    Raises:
        DataError: from the transforms; samples differ in shape; or the folder cannot be written.
    """

    def __init__(
        self,
        data: Sequence[Mapping[str, Any]],
        transform: Sequence[Callable] | Callable,
        cache_dir: str | Path,
        seed: int = 0,
    ) -> None:
        super().__init__(data, transform, seed)
        self.set_transform_hash(lambda transforms: json.dumps(_describe(transforms)).encode())
        self.folder = Path(cache_dir) / self._key()
        self._arrays: dict[str, NDArray[Any]] | None = None
        self._rest: list[dict[str, Any]] = []

    def __getstate__(self) -> dict[str, Any]:
        """For another process, which opens the arrays for itself."""
        return self.__dict__ | {"_arrays": None, "_rest": []}

    def _load(self, draw: Draw) -> Any:
        sample = self.stored(draw.index)
        self.transform.set_random_state(seed=draw.seed)
        return self._post_transform(sample)

    def stored(self, index: int) -> dict[str, Any]:
        """A sample before the random transforms; its tensors are copies."""
        if self._arrays is None:
            self._open()
        assert self._arrays is not None
        tensors = {key: torch.from_numpy(np.array(array[index])) for key, array in self._arrays.items()}
        return deepcopy(self._rest[index]) | tensors

    def _open(self) -> None:
        if not self.folder.is_dir():
            try:
                with only_one(self.folder):
                    if not self.folder.is_dir():
                        self._build()
            except OSError as error:
                raise DataError(
                    f"cannot write {self.folder}: {error}", expected=WRITABLE, fix="name another `cache_dir`"
                ) from error
        self._rest = json.loads((self.folder / REST).read_text())
        self._arrays = {file.stem: np.load(file, mmap_mode="r") for file in sorted(self.folder.glob("*.npy"))}

    def _build(self) -> None:
        building = Path(tempfile.mkdtemp(prefix=f".{self.folder.name}.building-", dir=self.folder.parent))
        try:
            arrays: dict[str, NDArray[Any]] = {}
            rest: list[dict[str, Any]] = []
            for index, item in enumerate(progress_bar(self.data, desc="decoding", unit="image")):
                sample = self._pre_transform(deepcopy(dict(item)))
                tensors = {key: value.numpy() for key, value in sample.items() if isinstance(value, Tensor)}
                if not index:
                    for key, value in tensors.items():
                        shape = (len(self.data), *value.shape)
                        arrays[key] = open_memmap(building / f"{key}.npy", mode="w+", dtype=value.dtype, shape=shape)
                self._check(index, tensors, arrays)
                for key, value in tensors.items():
                    arrays[key][index] = value
                rest.append({key: value for key, value in sample.items() if key not in tensors})
            for array in arrays.values():
                array.flush()  # type: ignore[attr-defined]
            (building / REST).write_text(json.dumps(rest))
            building.rename(self.folder)
        finally:
            shutil.rmtree(building, ignore_errors=True)

    def _check(self, index: int, tensors: Mapping[str, NDArray[Any]], arrays: Mapping[str, NDArray[Any]]) -> None:
        found = {key: (value.shape, value.dtype) for key, value in tensors.items()}
        expected = {key: (array.shape[1:], array.dtype) for key, array in arrays.items()}
        if found != expected:
            differing = sorted(key for key in found.keys() | expected.keys() if found.get(key) != expected.get(key))
            raise DataError(
                f"{self.data[index].get('image', index)} differs from the first sample in {', '.join(differing)}",
                expected="samples of the same keys, shapes and types",
                fix="set `image_size`, or use a cache of one file for each sample",
            )

    def _key(self) -> str:
        paths = [[item["image"], *filter(None, item.get("mask_paths", []))] for item in self.data]
        stamps = [[_stamp(path) for path in sample] for sample in paths]
        text = json.dumps([CACHE_FORMAT, list(map(dict, self.data)), stamps, self.transform_hash], sort_keys=True)
        return f"mapped_{hashlib.sha256(text.encode()).hexdigest()[:16]}"
