"""Data doctor for Oxford-IIIT Pet's layout: everything that is wrong with a data set, instead of the first thing.

What the reader or the loader would refuse is an error. What they take, but may teach something false, is a warning.
What is only worth knowing is a note.
"""

from __future__ import annotations

import logging
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError

from scripts.datalist import group_copies
from scripts.head_box import check_box
from scripts.layout import BACKGROUND, BOX_TASK, LISTS, NUM_BREEDS, PET, SPECIES
from scripts.pets import IMAGE_SUFFIXES, Entry, find_root, read_pets
from scripts.trimap import pet_mask, read_trimap
from shared.data.photograph import orientation_of, read_photograph
from shared.doctor import ERROR, NOTE, WARNING, Diagnosis, Picture, Sample, Table, ask_the_reader, begin
from shared.doctor.training import stop_at_errors
from shared.errors import DataError
from shared.progress import progress_bar
from shared.tasks import Task, parse_tasks

logger = logging.getLogger(__name__)

LITTLE_PET = 0.1  # of a head box; of 236 real boxes the least is 0.59, the median 0.86
SAMPLES = 6
BAR_FROM = 300


def examine(
    dataset_dir: str | Path, *, quick: bool = False, cache_dir: str | Path | None = None, allow_missing: bool = False
) -> Diagnosis:
    """Look at everything, stop at nothing, write nothing into ``dataset_dir``.

    Args:
        quick: names, lists, boxes and headers only; nothing is decoded.
        cache_dir: not used here; every bundle's doctor is given one.
        allow_missing: as for `make_datalist`; what it lets by is a warning.
    """
    root = Path(dataset_dir)
    diagnosis = begin(root, quick=quick, drawn="animals")
    found = ask_the_reader(lambda: read_pets(root, allow_missing=True), diagnosis)
    if found is None:
        return diagnosis
    for problem in found.problems:
        severity = WARNING if allow_missing else ERROR
        diagnosis.add(
            severity, "missing or impossible label", problem, fix="restore the file from the official archive"
        )
    for name in found.absent:
        diagnosis.add(NOTE, "list absent", "is not there", name)
    if found.unlisted:
        names = ", ".join(found.unlisted[:5])
        diagnosis.add(NOTE, "image in no list", f"{len(found.unlisted)} are not used: {names}")
    _check_stray_files(root, diagnosis)
    _check_breeds(found.entries, diagnosis)
    _check_copies(found.entries, diagnosis)
    for entry in progress_bar(found.entries, desc="examining", unit="image", disable=len(found.entries) < BAR_FROM):
        _check_entry(entry, diagnosis, quick=quick)
    _add_tables(found.entries, diagnosis)
    if not quick:
        _add_samples(found.entries, diagnosis)
    return diagnosis


def _check_entry(entry: Entry, diagnosis: Diagnosis, *, quick: bool) -> None:
    pictures = [Picture(entry.image, drawn=partial(draw_labels, entry))]
    try:
        with Image.open(entry.image) as image:
            kind, mode, (width, height), orientation = image.format, image.mode, image.size, orientation_of(image)
    except (OSError, UnidentifiedImageError, Image.DecompressionBombError) as error:
        fix = "copy the file again, or take it out of the lists"
        diagnosis.add(ERROR, "image that cannot be read", str(error), entry.name, fix=fix)
        return
    expected = "PNG" if entry.image.suffix.lower() == ".png" else "JPEG"
    if kind != expected:
        diagnosis.add(NOTE, "another format inside", f"a {kind} called {entry.image.suffix}", entry.name)
    if mode != "RGB":
        diagnosis.add(NOTE, "image that is not RGB", f"mode {mode}, converted", entry.name, pictures=pictures)
    if orientation != 1:
        message = f"EXIF orientation {orientation} is left alone: its labels were drawn on the pixels as stored"
        diagnosis.add(NOTE, "image stored turned", message, entry.name, pictures=pictures)
    try:
        if entry.box:
            check_box(entry.box, size=(height, width), path=f"{entry.name}.xml")
        if quick:
            with Image.open(entry.trimap) as trimap:
                if trimap.size != (width, height):
                    raise DataError(
                        f"its trimap is {trimap.width}x{trimap.height}, the image {width}x{height}",
                        expected="the same size",
                        fix="restore the trimap",
                    )
            return
        read_photograph(entry.image, upright=False)
        trimap_HW = read_trimap(entry.trimap, size=(height, width))
    except DataError as error:
        diagnosis.add(ERROR, "file that the loader refuses", error.received, entry.name, fix=error.fix)
        return
    except (OSError, UnidentifiedImageError) as error:
        diagnosis.add(ERROR, "file that the loader refuses", f"its trimap cannot be read: {error}", entry.name)
        return
    if not (trimap_HW == PET).any():
        message = "its trimap has no pixel of pet: it is unlabelled for the mask"
        diagnosis.add(WARNING, "trimap without pet", message, entry.name, pictures=pictures)
    elif entry.box:
        left, top, right, bottom = (round(edge) for edge in entry.box)
        share = float((trimap_HW[top:bottom, left:right] != BACKGROUND).mean())
        if share < LITTLE_PET:
            message = f"only {share:.0%} of its head box is pet"
            diagnosis.add(WARNING, "head box beside the pet", message, entry.name, pictures=pictures)


def draw_labels(entry: Entry) -> NDArray[np.uint8]:
    """The image with its pet tinted green and its head box white, uint8 [H,W,3].

    Raises:
        DataError: a file cannot be read.
    """
    image_HW3 = read_photograph(entry.image, upright=False).pixels_HW3.copy()
    pet_HW = pet_mask(read_trimap(entry.trimap, size=image_HW3.shape[:2]), border="pet").pet
    image_HW3[pet_HW] = image_HW3[pet_HW] // 2 + np.array((0, 110, 0), np.uint8)
    if entry.box:
        left, top, right, bottom = (int(edge) for edge in entry.box)
        wide = max(2, max(image_HW3.shape) // 150)
        image_HW3[top:bottom, left : left + wide] = image_HW3[top:bottom, max(0, right - wide) : right] = 255
        image_HW3[top : top + wide, left:right] = image_HW3[max(0, bottom - wide) : bottom, left:right] = 255
    return image_HW3


def _check_stray_files(root: Path, diagnosis: Diagnosis) -> None:
    known = {"images": IMAGE_SUFFIXES, "annotations/trimaps": (".png",), "annotations/xmls": (".xml",)}
    for folder, suffixes in known.items():
        place = find_root(root) / folder
        files = sorted(place.iterdir()) if place.is_dir() else []
        stray = [file.name for file in files if file.suffix.lower() not in suffixes or file.name.startswith(".")]
        if stray:
            diagnosis.add(NOTE, "stray files", f"{folder} holds {len(stray)} that are not read: {', '.join(stray[:3])}")


def _check_breeds(entries: Sequence[Entry], diagnosis: Diagnosis) -> None:
    species: dict[int, set[int]] = defaultdict(set)
    for entry in entries:
        if entry.breed >= 0:
            species[entry.breed].add(entry.species)
    for breed, several in sorted(species.items()):
        if len(several) > 1:
            diagnosis.add(ERROR, "breed of two species", f"breed {breed + 1} is listed as cat and as dog", LISTS[-1])


def _check_copies(entries: Sequence[Entry], diagnosis: Diagnosis) -> None:
    groups: dict[int, list[Entry]] = defaultdict(list)
    for entry, group in zip(entries, group_copies([entry.image for entry in entries]), strict=True):
        groups[group].append(entry)
    for copies in groups.values():
        if len(copies) < 2:
            continue
        leaks = len({entry.subset for entry in copies}) > 1
        breeds = len({entry.breed for entry in copies}) > 1
        kind = "copies in training and test" if leaks else "copies"
        message = "the same file" + (", listed as different breeds" if breeds else "")
        pictures = [Picture(entry.image) for entry in copies]
        diagnosis.add(
            WARNING, kind, message, *(entry.name for entry in copies), fix="keep one of them", pictures=pictures
        )


def _add_tables(entries: Sequence[Entry], diagnosis: Diagnosis) -> None:
    rows = []
    for subset in LISTS:
        for number, name in enumerate(SPECIES):
            chosen = [entry for entry in entries if (entry.subset, entry.species) == (subset, number)]
            if chosen:
                boxes = sum(entry.box is not None for entry in chosen)
                rows.append([f"{subset}.txt", name, len(chosen), len({entry.breed for entry in chosen}), boxes])
    diagnosis.tables.append(Table("Images", ["list", "species", "images", "breeds", "with head box"], rows))
    counts = Counter(entry.breed for entry in entries if entry.breed >= 0)
    absent = [str(breed + 1) for breed in range(NUM_BREEDS) if not counts[breed]]
    breeds = [[breed + 1, number] for breed, number in sorted(counts.items())]
    diagnosis.tables.append(Table(f"Breeds (absent: {', '.join(absent) or 'none'})", ["breed", "images"], breeds))


def _add_samples(entries: Sequence[Entry], diagnosis: Diagnosis) -> None:
    suspicious = {subject for finding in diagnosis.findings for subject in finding.subjects}
    fine = [entry for entry in entries if entry.name not in suspicious]
    for place in np.unique(np.linspace(0, len(fine) - 1, min(SAMPLES, len(fine))).astype(int)):
        entry = fine[place]
        caption = f"{entry.name}: {SPECIES[entry.species]}, breed {entry.breed + 1}"
        diagnosis.samples.append(Sample(caption, Picture(entry.image, drawn=partial(draw_labels, entry))))


def check_before_training(
    dataset_dir: str | Path, *, tasks: Iterable[Mapping[str, Any] | Task], allow_missing: bool = False
) -> None:
    """The quick part of `examine`: warnings are logged, a line for each kind, and errors raised.

    Args:
        tasks: what is to be trained; a warning names those for which no image has a label.
        allow_missing: as for `make_datalist`.

    Raises:
        DataError: with the first errors, and the command that lists them all.
    """
    stop_at_errors(
        examine(dataset_dir, quick=True, allow_missing=allow_missing),
        dataset_dir=dataset_dir,
        bundle_root=Path(__file__).resolve().parents[1],
        read=lambda: read_pets(dataset_dir, allow_missing=allow_missing),
    )
    entries = read_pets(dataset_dir, allow_missing=allow_missing).entries
    absent = {BOX_TASK} if not any(entry.box for entry in entries) else set()
    absent |= {"breed"} if all(entry.breed < 0 for entry in entries) else set()
    for task in parse_tasks(tasks):
        if task.name in absent:
            logger.warning("data doctor: no image has a label for %s, which will not be learned", task.name)
