"""Photographs of the same eye under several names, found by content.

A photograph is drawn small with its field of view normalised, its broad shading taken away; two are compared by the
correlation of what is left (vessels, disc, lesions). That survives another size, another JPEG quality and other
borders; another eye, the other eye of a patient or a mirrored copy does not correlate.
"""

from __future__ import annotations

import os
import uuid
import zipfile
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage
from tqdm import tqdm

from shared.data.field_of_view import WORK_WIDTH, find_field_of_view
from shared.data.geometry import disc_mask, plan_canvas, to_canvas
from shared.data.photograph import read_photograph

THUMBNAIL = 96
DETAIL = 3.0
THRESHOLD = 0.7
COPY = 0.95
PROGRESS_FROM = 100


class Duplicate(NamedTuple):
    """Two photographs, by position, and the correlation of their details (-1..1)."""

    first: int
    second: int
    correlation: float


def fingerprint(path: str | Path) -> NDArray[np.float32]:
    """The details of a photograph as a unit vector ``[96 * 96]``; its product with another is their correlation.

    Raises:
        DataError: for a file that cannot be read, or a picture that is no fundus photograph.
    """
    photograph = read_photograph(path, at_least=(1, WORK_WIDTH))
    field = find_field_of_view(photograph.pixels_HW3, photo_size=photograph.full_size, name=str(path))
    # Drawn larger and averaged down, because PIL's draft decodes differ with the original's size.
    size = (THUMBNAIL * 2, THUMBNAIL * 2)
    geometry = plan_canvas(field, photograph.full_size, image_size=size, fov_diameter=size[0] * 0.98).geometry
    image_HW3 = to_canvas(photograph.pixels_HW3, geometry, size, mode="photograph")
    green_HW = image_HW3[..., 1].astype(np.float32)
    inside_HW = ndimage.binary_erosion(disc_mask(geometry, size), iterations=6, border_value=0).astype(np.float32)
    blurred = [
        ndimage.gaussian_filter(green_HW * inside_HW, sigma) / ndimage.gaussian_filter(inside_HW, sigma).clip(1e-3)
        for sigma in (1.0, 2 * DETAIL)
    ]
    detail_HW = (blurred[0] - blurred[1]) * inside_HW
    spread_HW = np.sqrt(ndimage.gaussian_filter(detail_HW**2, 8 * DETAIL)) + 0.5
    detail_HW = (detail_HW / spread_HW).reshape(THUMBNAIL, 2, THUMBNAIL, 2).mean(axis=(1, 3))
    detail_HW -= detail_HW.mean()
    return (detail_HW / max(1e-6, float(np.linalg.norm(detail_HW)))).astype(np.float32).ravel()


def fingerprints(
    paths: Sequence[str | Path], *, cache_file: str | Path | None = None, num_workers: int = 2
) -> NDArray[np.float32]:
    """`fingerprint` of many photographs, ``[N, 96 * 96]``, with a progress bar for more than 100 new ones.

    Args:
        cache_file: an ``.npz`` file that remembers fingerprints by path, size and time of change; damaged or missing
            ones are made anew.
    """
    keys = [_stamp(path) for path in paths]
    known = _read_cache(cache_file)
    new = [i for i, key in enumerate(keys) if key not in known]
    with ThreadPoolExecutor(max(1, num_workers)) as pool:
        made = pool.map(fingerprint, [paths[i] for i in new])
        bar = tqdm(made, total=len(new), desc="comparing photographs", disable=len(new) <= PROGRESS_FROM)
        known |= {keys[i]: vector.astype(np.float16) for i, vector in zip(new, bar, strict=True)}
    if cache_file is not None and new:
        _write_cache(Path(cache_file), known)
    if not keys:
        return np.zeros((0, THUMBNAIL * THUMBNAIL), dtype=np.float32)
    vectors_ND = np.stack([known[key] for key in keys]).astype(np.float32)
    return vectors_ND / np.linalg.norm(vectors_ND, axis=1, keepdims=True).clip(1e-6)


def correlations(vectors_ND: NDArray[np.float32]) -> NDArray[np.float32]:
    """Correlation of every pair, ``[N, N]``."""
    return vectors_ND @ vectors_ND.T


def find_duplicates(vectors_ND: NDArray[np.float32], *, threshold: float = THRESHOLD) -> list[Duplicate]:
    """Pairs whose details correlate by at least ``threshold``, the most alike first."""
    correlation_NN = np.triu(correlations(vectors_ND), k=1)
    firsts, seconds = np.nonzero(correlation_NN >= threshold)
    pairs = [Duplicate(int(i), int(j), float(correlation_NN[i, j])) for i, j in zip(firsts, seconds, strict=True)]
    return sorted(pairs, key=lambda pair: -pair.correlation)


def group_duplicates(count: int, pairs: Sequence[Duplicate]) -> list[int]:
    """A number per photograph, the same for all that pairs connect: 0, 1, ... in order of first appearance."""
    parent = list(range(count))

    def root(member: int) -> int:
        while parent[member] != member:
            parent[member] = parent[parent[member]]
            member = parent[member]
        return member

    for pair in pairs:
        low, high = sorted((root(pair.first), root(pair.second)))
        parent[high] = low
    numbers: dict[int, int] = {}
    return [numbers.setdefault(root(member), len(numbers)) for member in range(count)]


def _stamp(path: str | Path) -> str:
    status = os.stat(path)
    return f"{Path(path).resolve()}|{status.st_size}|{status.st_mtime_ns}|{THUMBNAIL}|{DETAIL}"


def _read_cache(cache_file: str | Path | None) -> dict[str, NDArray]:
    if cache_file is None or not Path(cache_file).is_file():
        return {}
    try:
        with np.load(cache_file, allow_pickle=False) as archive:
            return dict(zip(archive["keys"].tolist(), archive["vectors"], strict=True))
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile):
        return {}


def _write_cache(cache_file: Path, known: dict[str, NDArray]) -> None:
    partial = cache_file.with_name(f".{cache_file.name}-{uuid.uuid4().hex}.part")
    try:
        cache_file.parent.mkdir(parents=True, exist_ok=True)
        with partial.open("wb") as stream:
            np.savez(stream, keys=np.array(list(known)), vectors=np.stack(list(known.values())))
        os.replace(partial, cache_file)
    except OSError:
        partial.unlink(missing_ok=True)
