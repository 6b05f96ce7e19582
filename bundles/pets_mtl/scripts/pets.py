"""Oxford-IIIT Pet's files as published (Parkhi et al. 2012): found, paired with their labels, nothing decoded."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from scripts.head_box import read_head_box
from scripts.layout import LAYOUT, LISTS, NUM_BREEDS, SPECIES
from shared.errors import DataError

SHOWN = 5
IMAGE_SUFFIXES = (".jpg", ".jpeg", ".png")
Box = tuple[float, float, float, float]


class Entry(NamedTuple):
    """One image as listed: ``breed`` 0..36 (-1 where its list says 0: unknown), ``species`` 0 cat, 1 dog, ``subset``
    "trainval", "test" or "list" (in neither of them), ``box`` of the head in pixels (left, top, right, bottom) or None.
    """

    name: str
    image: Path
    trimap: Path
    breed: int
    species: int
    subset: str
    box: Box | None


class Pets(NamedTuple):
    """What there is, by name; ``absent`` lists, ``problems`` that were let by, images ``unlisted`` anywhere."""

    entries: list[Entry]
    absent: list[str]
    problems: list[str]
    unlisted: list[str]


def read_pets(dataset_dir: str | Path, *, allow_missing: bool = False) -> Pets:
    """Find and pair images, trimaps, head boxes and list files. Other files, such as the stray ``.mat``, are ignored.

    Args:
        allow_missing: turn missing images and trimaps, and boxes that cannot be, from an error into a problem that is
            reported: such an image is left out, such a box too.

    Raises:
        DataError: with the expected layout if nothing is found; for lists that contradict each other or hold what is
            no line; for images and labels that do not pair; see `read_head_box`.
    """
    root = find_root(Path(dataset_dir))
    rows, absent = _read_lists(root)
    images = {file.stem: file for file in _files(root / "images", IMAGE_SUFFIXES)}
    trimaps = {file.stem: file for file in _files(root / "annotations" / "trimaps", (".png",))}
    xmls = {file.stem: file for file in _files(root / "annotations" / "xmls", (".xml",))}
    problems = _unpaired(rows, images, "image") + _unpaired(rows, trimaps, "trimap") + _repeated(rows, root / "images")
    entries = []
    for name, row in sorted(rows.items()):
        if name not in images or name not in trimaps:
            continue
        box: Box | None = None
        try:
            box = read_head_box(xmls[name]) if name in xmls else None
        except DataError as error:
            if not allow_missing:
                raise
            problems.append(error.received)
        entries.append(Entry(name, images[name], trimaps[name], *row, box=box))
    if problems and not allow_missing:
        raise DataError(
            f"{root}: {'; '.join(problems)}",
            expected="for every listed name one picture and its trimap",
            fix="correct the files (`python -m shared fetch pets`), or set `allow_missing` to true to go on without",
        )
    if not entries:
        raise _wrong_folder(root, "none of the listed images is there")
    return Pets(entries, absent, problems, sorted(images.keys() - rows.keys()))


def find_root(folder: Path) -> Path:
    """The folder itself if it holds `images` and `annotations`.

    Raises:
        DataError: it does not, with a hint where they are one folder up or down.
    """
    if not folder.is_dir():
        raise _wrong_folder(folder, "there is no such folder" if not folder.exists() else "it is a file")
    if _is_root(folder):
        return folder
    hints = [place for place in (folder.parent, *sorted(folder.iterdir())) if place.is_dir() and _is_root(place)]
    raise _wrong_folder(folder, "it does not hold both `images` and `annotations`", hints)


class _Row(NamedTuple):
    breed: int
    species: int
    subset: str


def _read_lists(root: Path) -> tuple[dict[str, _Row], list[str]]:
    rows: dict[str, _Row] = {}
    absent = []
    for subset in LISTS:
        file = root / "annotations" / f"{subset}.txt"
        if not file.is_file():
            absent.append(file.name)
            continue
        for number, line in enumerate(file.read_text(errors="replace").splitlines(), 1):
            if not line.strip() or line.startswith("#"):
                continue
            name, row = _parse(line, subset=subset, place=f"{file.name}, line {number}")
            known = rows.get(name)
            if known and (known.subset == subset or subset != "list" or known[:2] != row[:2]):
                raise _bad_list(
                    f"{file.name}, line {number}: {line!r} after {name} was listed in {known.subset}.txt as breed "
                    f"{known.breed + 1}, species {known.species + 1}"
                )
            rows.setdefault(name, row)
    if not rows:
        raise _wrong_folder(root, "no list file names an image")
    return rows, absent


def _parse(line: str, *, subset: str, place: str) -> tuple[str, _Row]:
    words = line.split()
    if len(words) < 3 or not all(word.isdecimal() for word in words[1:3]):
        raise _bad_list(f"{place}: {line!r}")
    breed, species = int(words[1]), int(words[2])
    if not (0 <= breed <= NUM_BREEDS and 1 <= species <= len(SPECIES)):
        raise _bad_list(f"{place}: {words[0]} has breed {breed} and species {species}")
    return words[0], _Row(breed - 1, species - 1, subset)


def _bad_list(received: str) -> DataError:
    return DataError(
        received,
        expected=f"name, breed 1..{NUM_BREEDS} (0: unknown), species 1 (cat) or 2 (dog); once, the same in list.txt",
        fix="correct the list file, or restore it from the official archive",
    )


def _unpaired(rows: dict[str, _Row], files: dict[str, Path], kind: str) -> list[str]:
    missing = sorted(rows.keys() - files.keys())
    more = f" and {len(missing) - SHOWN} more" if len(missing) > SHOWN else ""
    return [f"{len(missing)} listed without {kind}: {', '.join(missing[:SHOWN])}{more}"] if missing else []


def _repeated(rows: dict[str, _Row], folder: Path) -> list[str]:
    counts = Counter(file.stem for file in _files(folder, IMAGE_SUFFIXES))
    twice = sorted(name for name, count in counts.items() if count > 1 and name in rows)
    return [f"{len(twice)} with several images: {', '.join(twice[:SHOWN])}"] if twice else []


def _files(folder: Path, suffixes: Sequence[str]) -> list[Path]:
    if not folder.is_dir():
        return []
    return sorted(file for file in folder.iterdir() if file.suffix.lower() in suffixes and file.name[0] != ".")


def _is_root(folder: Path) -> bool:
    return (folder / "images").is_dir() and (folder / "annotations").is_dir()


def _wrong_folder(folder: Path, reason: str, hints: Sequence[Path] = ()) -> DataError:
    hint = f"; did you mean {hints[0]}?" if hints else ""
    return DataError(
        f"dataset_dir {folder} is not Oxford-IIIT Pet: {reason}{hint}",
        expected=f"the folders of the official archives:{LAYOUT}",
        fix="give the folder that holds `images` and `annotations` as `--dataset_dir`; `python -m shared fetch pets` "
        "downloads it",
    )
