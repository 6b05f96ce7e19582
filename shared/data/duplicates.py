"""Photographs of the same eye under several names, found by content.

A photograph is drawn small with its field of view normalised, and its broad shading and the rim taken away; two are
compared by the correlation of what is left (vessels, disc, lesions), at the best shift of up to 16 % of the field's
diameter. A copy in another size or JPEG quality correlates by 0.99. So does, less, a second photograph of the eye,
even one from another visit. Another eye, the other eye of a patient or a mirrored copy does not.

Measured on IDRiD's 451 training photographs: 45 pairs of copies (0.99), 10 of second photographs (0.58 to 0.93, all
looked at); the highest of the other 101,420 pairs is 0.46. Without shifts, 7 of the 10 would be missed.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import zipfile
from collections import defaultdict
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import IO, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import fft, ndimage

from shared.data.field_of_view import WORK_WIDTH, find_field_of_view
from shared.data.geometry import disc_mask, plan_canvas, to_canvas
from shared.data.photograph import read_photograph
from shared.errors import DataError
from shared.files import atomic_write
from shared.progress import progress_bar

SAME_EYE = 0.54
COPY = 0.96
PROGRESS_FROM = 100
VERSION = 2
_CANVAS, _SIZE, _FFT, _SHIFT = 192, 64, 96, 10


class Duplicate(NamedTuple):
    """Two photographs of one eye, by position, and the correlation of their details (0..1; from `COPY`: a copy)."""

    first: int
    second: int
    correlation: float


def identical_files(paths: Sequence[Path]) -> list[Duplicate]:
    """Files that are the same byte for byte, by position; only those of equal length are read."""
    by_length: dict[int, list[int]] = defaultdict(list)
    for place, path in enumerate(paths):
        if path.is_file() and (length := path.stat().st_size):
            by_length[length].append(place)
    pairs: list[Duplicate] = []
    for places in by_length.values():
        first: dict[str, int] = {}
        for place in places if len(places) > 1 else ():
            digest = hashlib.sha256(paths[place].read_bytes()).hexdigest()
            if digest in first:
                pairs.append(Duplicate(first[digest], place, 1.0))
            first.setdefault(digest, place)
    return pairs


def fingerprint(path: str | Path) -> NDArray[np.float16]:
    """A photograph's details (green channel, 1.5 to 4 of 192 pixels wide) and where they count: ``[2, 64, 64]``.

    Raises:
        DataError: for a file that cannot be read, or a picture that is no fundus photograph.
    """
    photograph = read_photograph(path, at_least=(1, WORK_WIDTH))
    field = find_field_of_view(photograph.pixels_HW3, photo_size=photograph.full_size, name=str(path))
    size = (_CANVAS, _CANVAS)
    geometry = plan_canvas(field, photograph.full_size, image_size=size, fov_diameter=0.98 * _CANVAS).geometry
    green_HW = to_canvas(photograph.pixels_HW3, geometry, size, mode="photograph")[..., 1].astype(np.float32)
    disc_HW = disc_mask(geometry, size)
    inner_HW = ndimage.binary_erosion(disc_HW, iterations=20, border_value=0).astype(np.float32)
    fine_HW, broad_HW = (_smooth(green_HW, disc_HW.astype(np.float32), sigma) for sigma in (1.5, 4.0))
    detail_HW = (fine_HW - broad_HW) * inner_HW
    contrast_HW = np.sqrt(_smooth(detail_HW**2, inner_HW, 10.0)) + 0.5
    detail_HW = np.clip(detail_HW / contrast_HW, -3, 3)
    step = _CANVAS // _SIZE
    maps = np.stack([detail_HW, inner_HW]).reshape(2, _SIZE, step, _SIZE, step).mean(axis=(2, 4))
    return maps.astype(np.float16)


def fingerprints(paths: Sequence[str | Path], *, num_workers: int = 2) -> NDArray[np.float16]:
    """`fingerprint` of many photographs, ``[N, 2, 64, 64]``, with a progress bar for more than 100."""
    with ThreadPoolExecutor(max(1, num_workers)) as pool:
        made = pool.map(fingerprint, paths)
        few = len(paths) <= PROGRESS_FROM
        bar = progress_bar(made, total=len(paths), desc="looking for duplicates", unit="photo", disable=few)
        return np.stack([*bar]) if len(paths) else np.zeros((0, 2, _SIZE, _SIZE), np.float16)


def find_duplicates(prints_N2HW: NDArray[np.float16], *, threshold: float = SAME_EYE) -> list[Duplicate]:
    """Pairs whose details correlate by at least ``threshold`` at the best shift, the most alike first.

    1. Every pair's correlation at every shift, by Fourier transform, as if all of both overlapped. 2. For those that
    come near, the true one, with the overlap's own norms.
    """
    if len(prints_N2HW) < 2:
        return []
    detail_NHW, inner_NHW = (prints_N2HW[:, part].astype(np.float32) for part in (0, 1))
    spectra_N = _spectrum(detail_NHW)
    norms_N = np.linalg.norm(detail_NHW.reshape(len(detail_NHW), -1), axis=1).clip(1e-6)
    near: list[tuple[int, int]] = []
    for first in range(len(detail_NHW) - 1):
        for start in range(first + 1, len(detail_NHW), 128):
            rough_M = _correlate(spectra_N[first], spectra_N[start : start + 128]).max(axis=1)
            rough_M /= norms_N[first] * norms_N[start : start + 128]
            near += [(first, start + int(place)) for place in np.flatnonzero(rough_M > 0.6 * threshold)]
    pairs: list[Duplicate] = []
    for first, second in near:
        squares_a, squares_b = _spectrum(detail_NHW[[first, second]] ** 2)
        inner_a, inner_b = _spectrum(inner_NHW[[first, second]])
        energy = _correlate(squares_a, inner_b[None]) * _correlate(inner_a, squares_b[None])
        product = _correlate(spectra_N[first], spectra_N[second][None])
        correlation = float((product / np.sqrt(energy.clip(1e-3))).max())
        if correlation >= threshold:
            pairs.append(Duplicate(first, second, min(1.0, correlation)))
    return sorted(pairs, key=lambda pair: (-pair.correlation, pair.first, pair.second))


def find_same_eyes(
    paths: Sequence[str | Path], *, cache_file: str | Path | None = None, num_workers: int = 2
) -> list[Duplicate]:
    """`find_duplicates` among photographs.

    Args:
        cache_file: an ``.npz`` file that remembers fingerprints by path, size and time of change, and the pairs of the
            last set of photographs. A damaged one is made anew; one that cannot be written is done without.

    Raises:
        DataError: as `fingerprint`.
    """
    keys = [_stamp(path) for path in paths]
    contents = hashlib.sha256("\n".join(keys).encode()).hexdigest()
    known = _read_cache(cache_file)
    if known.contents == contents:
        return known.pairs
    new = [i for i, key in enumerate(keys) if key not in known.prints]
    made = fingerprints([paths[i] for i in new], num_workers=num_workers)
    prints = known.prints | {keys[i]: vector for i, vector in zip(new, made, strict=True)}
    stacked = np.stack([prints[key] for key in keys]) if keys else np.zeros((0, 2, _SIZE, _SIZE), np.float16)
    pairs = find_duplicates(stacked)
    if cache_file is not None:
        _write_cache(Path(cache_file), _Known(prints, contents, pairs))
    return pairs


def group_duplicates(count: int, pairs: Iterable[Duplicate]) -> list[int]:
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


def _smooth(values_HW: NDArray[np.float32], inside_HW: NDArray[np.float32], sigma: float) -> NDArray[np.float32]:
    """Gaussian mean that counts pixels inside only."""
    weight_HW = ndimage.gaussian_filter(inside_HW, sigma).clip(1e-2)
    return ndimage.gaussian_filter(values_HW * inside_HW, sigma) / weight_HW


def _spectrum(maps_NHW: NDArray[np.float32]) -> NDArray[np.complex64]:
    return fft.rfft2(maps_NHW, s=(_FFT, _FFT))


def _correlate(spectrum: NDArray[np.complex64], spectra_N: NDArray[np.complex64]) -> NDArray[np.float32]:
    """Correlation at all shifts up to the limit, ``[N, shifts]``."""
    surface_NHW = fft.irfft2(spectrum.conj() * spectra_N, s=(_FFT, _FFT))
    rows_NHW = np.concatenate([surface_NHW[:, -_SHIFT:], surface_NHW[:, : _SHIFT + 1]], axis=1)
    return np.concatenate([rows_NHW[..., -_SHIFT:], rows_NHW[..., : _SHIFT + 1]], axis=2).reshape(len(spectra_N), -1)


def _stamp(path: str | Path) -> str:
    status = os.stat(path)
    return f"{VERSION}|{Path(path).resolve()}|{status.st_size}|{status.st_mtime_ns}"


class _Known(NamedTuple):
    prints: dict[str, NDArray[np.float16]]
    contents: str
    pairs: list[Duplicate]


def _read_cache(cache_file: str | Path | None) -> _Known:
    try:
        with np.load(cache_file or "", allow_pickle=False) as archive:
            prints = dict(zip(archive["keys"].tolist(), archive["prints"], strict=True))
            pairs = [Duplicate(int(i), int(j), float(c)) for i, j, c in archive["pairs"].reshape(-1, 3)]
            return _Known(prints, str(archive["contents"]), pairs)
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile):
        return _Known({}, "", [])


def _write_cache(cache_file: Path, known: _Known) -> None:
    def write(stream: IO[bytes]) -> None:
        np.savez(
            stream,
            keys=np.array(list(known.prints), dtype=str),
            prints=np.array(list(known.prints.values()), dtype=np.float16),
            contents=np.array(known.contents),
            pairs=np.array(known.pairs, dtype=np.float64),
        )

    with contextlib.suppress(DataError):
        atomic_write(cache_file, write)
