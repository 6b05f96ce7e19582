"""The older HDF5 form of Oxford-IIIT Pet (`images.h5`, `masks.h5`, `bboxes.h5`, `binary.h5`), into the official layout.

Dimensions: N images, H W rows and columns.
"""

from __future__ import annotations

import contextlib
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from scripts.layout import BACKGROUND, PET, SPECIES
from shared.errors import ConfigError, DataError
from shared.progress import progress_bar

PARTS = {"train": "trainval", "val": "trainval", "test": "test"}
FILES = {"images": (None, None, 3), "masks": (None, None, 1), "bboxes": (4,), "binary": (1,)}
EXPECTED = """
<folder>/{train,val,test}/ or <folder> itself:
  images.h5  [N,H,W,3] 0..255     masks.h5   [N,H,W,1] 0 or 1
  bboxes.h5  [N,4] xmin, ymin, xmax, ymax in pixels from 0, last one included     binary.h5  [N,1] 0 or 1
each with one dataset, or several of which one has the file's name in its own (images, chunked_images, ...)"""
_XML = (
    "<annotation><size><width>{width}</width><height>{height}</height><depth>3</depth></size><object><name>{species}"
    "</name><bndbox><xmin>{xmin}</xmin><ymin>{ymin}</ymin><xmax>{xmax}</xmax><ymax>{ymax}</ymax></bndbox></object>"
    "</annotation>\n"
)


class Sample(NamedTuple):
    """``image`` uint8 [H,W,3], ``mask`` bool [H,W], ``box`` xmin, ymin, xmax, ymax, ``positive`` of the two species."""

    image: NDArray[np.uint8]
    mask: NDArray[np.bool_]
    box: NDArray[np.float64]
    positive: bool


def convert_hdf5(source: str | Path, target: str | Path, *, positive: str = "dog") -> int:
    """Write the images (PNG, without loss), masks, boxes and lists in the official layout.

    The form has no breeds and no borders: breeds are 0 (unknown), trimaps have the values 1 and 2 only. ``train`` and
    ``val`` become trainval.txt, ``test`` test.txt. Boxes without area are left out. ``target`` appears when all is
    written: what fails leaves nothing behind.

    Args:
        source: see `EXPECTED`.
        target: a new or empty folder.
        positive: what 1 in binary.h5 means, "cat" or "dog"; the files do not say.

    Returns:
        how many images were written.

    Raises:
        DataError: files or datasets are absent, of another shape or length, or hold other values; or ``target`` is not
            empty.
        ConfigError: another word than cat or dog; h5py is not installed.
    """
    if positive not in SPECIES:
        raise ConfigError(f"positive {positive!r}", expected=" or ".join(SPECIES), fix="correct `positive`")
    target = Path(target).resolve()
    if target.exists() and any(target.iterdir()):
        raise DataError(f"{target} is not empty", expected="a new folder", fix="choose another one")
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=f".{target.name}.building-", dir=target.parent) as building:
        number = _write(Path(source), Path(building) / "pets", positive=positive)
        (Path(building) / "pets").replace(target)
    return number


def _write(source: Path, target: Path, *, positive: str) -> int:
    annotations = target / "annotations"
    lines: dict[str, list[str]] = {"trainval": [], "test": []}
    for part, folder in _parts(source).items():
        for place in (target / "images", annotations / "trimaps", annotations / "xmls"):
            place.mkdir(parents=True, exist_ok=True)
        for number, sample in enumerate(read_hdf5(folder)):
            name = f"{part}_{number}"
            species = SPECIES.index(positive) if sample.positive else 1 - SPECIES.index(positive)
            Image.fromarray(sample.image).save(target / "images" / f"{name}.png")
            trimap_HW = np.where(sample.mask, PET, BACKGROUND).astype(np.uint8)
            Image.fromarray(trimap_HW).save(annotations / "trimaps" / f"{name}.png")
            _write_box(annotations / "xmls" / f"{name}.xml", sample, SPECIES[species])
            lines[PARTS[part]].append(f"{name} 0 {species + 1} 0")
    for subset, listed in lines.items():
        if listed:
            (annotations / f"{subset}.txt").write_text("\n".join(listed) + "\n")
    return sum(map(len, lines.values()))


def read_hdf5(folder: str | Path) -> Iterator[Sample]:
    """The samples of one folder, one at a time; every file is opened once.

    Raises:
        DataError: see `convert_hdf5`. ConfigError: h5py is not installed.
    """
    try:
        import h5py
    except ImportError as error:
        raise ConfigError(
            "HDF5 files can only be read with h5py, which is not installed",
            expected="the extra `pets`",
            fix="pip install 'monai-eye-bundles[pets]'",
        ) from error
    with contextlib.ExitStack() as stack:
        data = {name: _open(h5py, Path(folder) / f"{name}.h5", stack) for name in FILES}
        if len({len(part) for part in data.values()}) > 1:
            raise _bad(folder, f"its files hold {', '.join(f'{len(part)} {name}' for name, part in data.items())}")
        for number in progress_bar(range(len(data["images"])), desc=f"reading {Path(folder).name}", unit="image"):
            image, mask = np.asarray(data["images"][number]), np.asarray(data["masks"][number])
            if image.shape[:2] != mask.shape[:2]:
                raise _bad(folder, f"image {number} has the shape {image.shape}, its mask {mask.shape}")
            box, positive = np.asarray(data["bboxes"][number], dtype=np.float64), np.asarray(data["binary"][number])
            if problem := _problem(image, mask, box, positive):
                raise _bad(folder, f"image {number} has {problem}")
            yield Sample(np.rint(image).astype(np.uint8), mask[..., 0] > 0, box, bool(positive.item() > 0))


def _problem(image: NDArray[Any], mask: NDArray[Any], box: NDArray[np.float64], positive: NDArray[Any]) -> str:
    """What would be read falsely rather than fail; empty where there is nothing."""
    height, width = mask.shape[:2]
    left, top, right, bottom = box
    if not (np.isfinite(image).all() and image.min() >= 0 and image.max() <= 255) or _are_shares(image):
        return f"values {image.min():g} to {image.max():g}"
    if not np.isin(mask, (0, 1)).all():
        return f"the values {np.unique(mask)[:4].tolist()} in its mask"
    if not np.isin(positive, (0, 1)).all():
        return f"{positive.item():g} in binary.h5"
    # Rounded when it was resized, an edge may lie one pixel outside.
    within = (box >= -1).all() and right <= width and bottom <= height
    if not (within and left <= right and top <= bottom) or _are_shares(box):
        return f"the box {box.tolist()} in {width}x{height} (width x height)"
    return ""


def _are_shares(values: NDArray[Any]) -> bool:
    return bool(values.max() <= 1 and (values % 1).any())


def _open(h5py: Any, path: Path, stack: contextlib.ExitStack) -> Any:
    try:
        file = stack.enter_context(h5py.File(path, "r"))
    except OSError as error:
        raise _bad(path, "it cannot be read" if path.is_file() else "there is no such file") from error
    name = path.stem
    found = {key: value for key, value in file.items() if isinstance(value, h5py.Dataset)}
    named = [key for key in sorted(found, key=len) if name in key]
    if not named and len(found) != 1:
        raise _bad(path, f"its datasets are {sorted(found)}")
    dataset = found[named[0]] if named else next(iter(found.values()))
    expected = FILES[name]
    shape = dataset.shape[1:]
    if len(shape) != len(expected) or any(want not in (None, got) for want, got in zip(expected, shape, strict=True)):
        raise _bad(path, f"its dataset {dataset.name} has the shape {dataset.shape}")
    return dataset


def _parts(source: Path) -> dict[str, Path]:
    parts = {part: source / part for part in PARTS if (source / part).is_dir()}
    return parts or {"train": source}


def _write_box(path: Path, sample: Sample, species: str) -> None:
    height, width = sample.mask.shape
    left, top = np.clip(np.rint(sample.box[:2]), 0, (width - 1, height - 1)).astype(int)
    right, bottom = np.clip(np.rint(sample.box[2:]), 0, (width - 1, height - 1)).astype(int)
    if left < right and top < bottom:
        corners = {"xmin": left + 1, "ymin": top + 1, "xmax": right + 1, "ymax": bottom + 1}
        path.write_text(_XML.format(width=width, height=height, species=species, **corners))


def _bad(path: str | Path, problem: str) -> DataError:
    return DataError(
        f"{path}: {problem}", expected=f"the older HDF5 form:{EXPECTED}", fix="give the folder that holds these files"
    )
