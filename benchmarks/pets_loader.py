"""Pets-loader work: image, mask, head box and species of every pet, from mapped arrays and from HDF5 as published.

Dimensions: N images, H W rows and columns.
"""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from monai.transforms import Compose, SelectItemsd
from numpy.typing import NDArray

from benchmarks.bundle_scripts import scripts_of
from shared.data import MappedDataset

REPOSITORY = Path(__file__).resolve().parents[1]
BUNDLE = REPOSITORY / "bundles" / "pets_mtl"
REAL = REPOSITORY.parent / "shared" / "data" / "oxford_pets_3breeds"
TASKS = [
    {"name": "pet", "kind": "mask"},
    {"name": "species", "kind": "grade", "num_classes": 2},
    {"name": "box", "kind": "box"},
]
KEYS = ("image", "masks", "box", "grades")
FILES = {"images": "image", "masks": "masks", "bboxes": "box", "binary": "grades"}
WAYS = ("mapped", "hdf5", "hdf5_kept", "files")


class PetsLoaderWork:
    """Load every pet once, in order, as tensors: ``image`` and ``masks`` uint8 [C,H,W], ``box`` [4], ``grades`` [1].

    The four HDF5 files hold what the mapped arrays hold, images and masks as [N,H,W,C], one sample per chunk,
    uncompressed, as published.

    Args:
        way: ``"mapped"``: `MappedDataset`; ``"hdf5"``: four files opened and closed for every sample, as published;
            ``"hdf5_kept"``: the same files opened once; ``"files"``: JPEG, trimap and box decoded each time.
        image_size: (height, width).
        dataset_dir: a folder in Oxford-IIIT Pet's layout, ``"phantoms"``, or ``"auto"``: the real ones if they are
            there.
        number: pets, fewer if there are fewer.
    """

    def __init__(
        self, *, way: str, image_size: Sequence[int] = (256, 256), dataset_dir: str = "auto", number: int = 64
    ) -> None:
        self.way, self.folder = way, tempfile.TemporaryDirectory()
        with scripts_of(BUNDLE):
            from scripts.load import LoadPetd

            items, self.source = find_pets(dataset_dir, number=number)
        self.transform = Compose([LoadPetd(image_size), SelectItemsd(KEYS)])
        self.items = items
        self.mapped = MappedDataset(items, self.transform, cache_dir=self.folder.name)
        self.mapped[0]
        if way.startswith("hdf5"):
            write_hdf5(Path(self.folder.name), [self.mapped[place] for place in range(len(items))])
        self.kept = open_hdf5(Path(self.folder.name)) if way == "hdf5_kept" else {}

    def once(self) -> None:
        for place in range(len(self.items)):
            self.load(place)

    def load(self, place: int) -> dict[str, Any]:
        if self.way == "mapped":
            return self.mapped[place]
        if self.way == "files":
            return self.transform(dict(self.items[place]))
        if self.way == "hdf5_kept":
            return {key: as_tensor(self.kept[name][name][place], key) for name, key in FILES.items()}
        return read_reopened(Path(self.folder.name), place)

    def result(self, *, exact: bool) -> dict[str, NDArray]:
        """Every tensor of every pet."""
        loaded = {place: self.load(place) for place in range(len(self.items))}
        return {f"{key} {place}": np.asarray(sample[key]) for place, sample in loaded.items() for key in KEYS}

    def facts(self) -> dict[str, Any]:
        self.once()
        height, width = self.transform.transforms[0].image_size  # type: ignore[attr-defined]
        return {"data": f"{len(self.items)} {self.source}, {width}x{height}"}


def find_pets(dataset_dir: str, *, number: int) -> tuple[list[dict[str, Any]], str]:
    """Items of a data list, and in words where they are from; `scripts_of` has to be entered."""
    from scripts.datalist import make_datalist
    from scripts.phantoms import make_phantoms

    if dataset_dir == "auto":
        dataset_dir = str(REAL) if REAL.is_dir() else "phantoms"
    folder = Path(dataset_dir)
    if drawn := dataset_dir == "phantoms":
        folder = REPOSITORY / "data" / "phantoms" / f"pets_benchmark_{number}"
        if not folder.is_dir():
            make_phantoms(folder, number=2 * number, size=256, workers=1, progress=False)
    lists = make_datalist(folder, tasks=TASKS, allow_missing=True)
    items = [item for part in lists.values() for item in part if item["head_box"]]
    return items[:number], "phantoms of pets" if drawn else "pets"


def write_hdf5(folder: Path, samples: Sequence[dict[str, torch.Tensor]]) -> None:
    """`images.h5`, `masks.h5`, `bboxes.h5` and `binary.h5` with one dataset of the same name each."""
    import h5py

    for name, key in FILES.items():
        rows = np.stack([rows_first(np.asarray(sample[key])) for sample in samples])
        with h5py.File(folder / f"{name}.h5", "w") as file:
            file.create_dataset(name, data=rows, chunks=(1, *rows.shape[1:]))


def open_hdf5(folder: Path) -> dict[str, Any]:
    """The four files, open."""
    import h5py

    return {name: h5py.File(folder / f"{name}.h5", "r") for name in FILES}


def read_reopened(folder: Path, place: int) -> dict[str, torch.Tensor]:
    """A sample by opening each file, reading one row and closing it, as published."""
    import h5py

    sample = {}
    for name, key in FILES.items():
        with h5py.File(folder / f"{name}.h5", "r") as file:
            sample[key] = as_tensor(file[name][place], key)
    return sample


def rows_first(array: NDArray) -> NDArray:
    """[C,H,W] -> [H,W,C]; others as they are."""
    return array.transpose(1, 2, 0) if array.ndim == 3 else array


def as_tensor(array: NDArray, key: str) -> torch.Tensor:
    """A row of an HDF5 dataset as `MappedDataset` gives it."""
    return torch.from_numpy(array.transpose(2, 0, 1).copy() if key in ("image", "masks") else array)
