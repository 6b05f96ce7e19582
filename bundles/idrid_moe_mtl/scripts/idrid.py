"""IDRiD's files as published (Porwal et al. 2018): found, paired with their labels and checked, nothing decoded."""

from __future__ import annotations

import csv
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from scripts.layout import MASK_FOLDERS
from shared.data.photograph import SUFFIXES
from shared.errors import DataError

ALWAYS_THERE = {"OD"}
GRADE_COLUMNS = {"RG": "Retinopathy grade", "MER": "Risk of macular edema"}
GRADE_CLASSES = {"RG": 5, "MER": 3}
SETS = {"train": "a.", "test": "b."}
LAYOUT = """
<dataset_dir>/
  A. Segmentation/
    1. Original Images/{a. Training Set, b. Testing Set}/IDRiD_01.jpg ...
    2. All Segmentation Groundtruths/{a. Training Set, b. Testing Set}/
      1. Microaneurysms/IDRiD_01_MA.tif ...   2. Haemorrhages/..._HE.tif   3. Hard Exudates/..._EX.tif
      4. Soft Exudates/..._SE.tif             5. Optic Disc/..._OD.tif
  B. Disease Grading/
    1. Original Images/{a. Training Set, b. Testing Set}/IDRiD_001.jpg ...
    2. Groundtruths/{a. ...Training Labels.csv, b. ...Testing Labels.csv}"""


class Entry(NamedTuple):
    """One photograph as published.

    ``masks`` by kind (absent: no such lesion; of kinds `ALWAYS_THERE`: not drawn), ``grades`` by kind (part B only).
    """

    part: str
    subset: str
    image: Path
    masks: dict[str, Path]
    grades: dict[str, int]

    @property
    def name(self) -> str:
        """Part, subset and stem, such as ``A/train/IDRiD_01``; stems alone mean other eyes in part A and part B."""
        return f"{self.part}/{self.subset}/{self.image.stem}"


class Idrid(NamedTuple):
    """What there is, sorted by name; ``absent`` says which sets are not there, ``problems`` what was let by."""

    entries: list[Entry]
    absent: list[str]
    problems: list[str]


def read_idrid(dataset_dir: str | Path, *, allow_missing: bool = False) -> Idrid:
    """Find and pair the photographs, masks and grades of parts A and B.

    Any of the four sets may be absent, but not all. Suffixes may be of either case; a folder is known by the
    beginning of its name (``A.``, ``1.``, ``a.``).

    Args:
        allow_missing: turn photographs without labels, and labels without photograph, from an error into a problem
            that is reported; such a photograph is left out.

    Raises:
        DataError: with the expected layout if nothing is found; for photographs and labels that do not pair;
            for grades out of range or no numbers; for names given twice.
    """
    root = _find_root(Path(dataset_dir))
    found = Idrid([], [], [])
    for part, title in (("A", "segmentation"), ("B", "grading")):
        for subset, prefix in SETS.items():
            images = _photographs(find_child(find_child(root, f"{part}."), "1."), prefix)
            if not images:
                found.absent.append(f"part {part} ({title}), {subset} set")
                continue
            labels = find_child(find_child(root, f"{part}."), "2.")
            entries, problems = (_pair_masks if part == "A" else _pair_grades)(images, labels, subset)
            if problems and not allow_missing:
                raise DataError(
                    f"part {part} ({title}), {subset} set: {'; '.join(problems)}",
                    expected="every photograph with its label and every label with its photograph",
                    fix="complete the files, or set `allow_missing` to true to go on without these",
                )
            found.entries.extend(entries)
            found.problems.extend(f"{part}/{subset}: {problem}" for problem in problems)
    if not found.entries:
        raise _wrong_folder(root, "it holds no photographs of part A or B")
    return found


def _find_root(folder: Path) -> Path:
    if not folder.is_dir():
        raise _wrong_folder(folder, "there is no such folder" if not folder.exists() else "it is a file")
    if find_child(folder, "A.") or find_child(folder, "B."):
        return folder
    hints = [
        f
        for f in (folder.parent, *sorted(folder.iterdir()))
        if f.is_dir() and (find_child(f, "A.") or find_child(f, "B."))
    ]
    raise _wrong_folder(folder, "it is empty" if not any(folder.iterdir()) else "it has neither part A nor B", hints)


def _wrong_folder(folder: Path, reason: str, hints: Sequence[Path] = ()) -> DataError:
    hint = f"; did you mean {hints[0]}?" if hints else ""
    return DataError(
        f"dataset_dir {folder} is not IDRiD: {reason}{hint}",
        expected=f"the folders of the official archives, parts A and B or one of them:{LAYOUT}",
        fix="give the folder that holds `A. Segmentation` and `B. Disease Grading` as `--dataset_dir`",
    )


def find_child(folder: Path | None, prefix: str) -> Path | None:
    """The subfolder whose name begins so, in either case, or None.

    Looks one level deeper for archives unpacked into a folder of their name.
    """
    if folder is None:
        return None
    named = [f for f in sorted(folder.iterdir()) if f.is_dir() and f.name.lower().startswith(prefix.lower())]
    if not named:
        return None
    nested = folder / named[0].name / named[0].name
    return nested if nested.is_dir() else named[0]


def _photographs(folder: Path | None, prefix: str) -> dict[str, Path]:
    images: dict[str, Path] = {}
    for file in find_files(find_child(folder, prefix), SUFFIXES):
        if file.stem in images:
            raise DataError(
                f"two photographs are called {file.stem}: {images[file.stem].name} and {file.name} in {file.parent}",
                expected="one file per photograph",
                fix="remove one of them",
            )
        images[file.stem] = file
    return images


def find_files(folder: Path | None, suffixes: Sequence[str]) -> Iterator[Path]:
    """Files in a folder and all below it that end so (lower case), sorted, without hidden ones; none for None."""
    if folder is not None:
        yield from (f for f in sorted(folder.rglob("*")) if f.suffix.lower() in suffixes and not f.name.startswith("."))


def _pair_masks(images: dict[str, Path], labels: Path | None, subset: str) -> tuple[list[Entry], list[str]]:
    masks: dict[str, dict[str, Path]] = {stem: {} for stem in images}
    orphans: list[str] = []
    for file in find_files(find_child(labels, SETS[subset]), (".tif", ".tiff", ".png")):
        match = re.fullmatch(rf"(.+)_({'|'.join(MASK_FOLDERS)})", file.stem, flags=re.IGNORECASE)
        if match is None or match[1] not in masks:
            orphans.append(file.name)
        elif match[2].upper() in masks[match[1]]:
            raise DataError(
                f"two masks are called {file.stem}: {masks[match[1]][match[2].upper()]} and {file}",
                expected="one file per photograph and lesion",
                fix="remove one of them",
            )
        else:
            masks[match[1]][match[2].upper()] = file
    if not any(masks.values()):
        raise DataError(
            f"part A has {len(images)} photographs in its {subset} set but no mask for any of them",
            expected=f"masks such as {next(iter(images))}_MA.tif:{LAYOUT}",
            fix="unpack the ground truth of part A too, or remove its photographs",
        )
    entries = [Entry("A", subset, image, masks[stem], {}) for stem, image in images.items()]
    return entries, _say(orphans, "masks without photograph")


def _pair_grades(images: dict[str, Path], labels: Path | None, subset: str) -> tuple[list[Entry], list[str]]:
    wanted = {"train": "training", "test": "testing"}[subset]
    tables = [file for file in find_files(labels, (".csv",)) if wanted in file.name.lower()]
    if len(tables) != 1:
        raise DataError(
            f"part B has {len(images)} photographs in its {subset} set and {len(tables)} tables of grades for them",
            expected=f"one CSV with `{wanted}` in its name:{LAYOUT}",
            fix="unpack the ground truth of part B too (once), or remove its photographs",
        )
    rows = read_grades(tables[0])
    problems = _say([stem for stem in images if stem not in rows], f"photographs without a row in {tables[0].name}")
    problems += _say([stem for stem in rows if stem not in images], f"rows of {tables[0].name} without photograph")
    return [Entry("B", subset, image, {}, rows[stem]) for stem, image in images.items() if stem in rows], problems


def read_grades(table: Path) -> dict[str, dict[str, int]]:
    """Grades by photograph and kind from part B's CSV (its third header ends in a blank, empty columns follow)."""
    grades: dict[str, dict[str, int]] = {}
    for line, row in read_table(table, ["Image name", *GRADE_COLUMNS.values()]):
        stem, *values = row
        if stem in grades:
            raise _bad_row(table, line, f"{stem} has two rows", "one row per photograph")
        grades[stem] = {}
        for (kind, column), value in zip(GRADE_COLUMNS.items(), values, strict=True):
            if not re.fullmatch(r"\d+(\.0*)?", value):
                raise _bad_row(table, line, f"the {column} of {stem} is {value!r}", "a whole number")
            grades[stem][kind] = int(float(value))
            if grades[stem][kind] >= GRADE_CLASSES[kind]:
                raise _bad_row(table, line, f"the {column} of {stem} is {value}", f"0 to {GRADE_CLASSES[kind] - 1}")
    return grades


def read_table(table: Path, columns: Sequence[str]) -> Iterator[tuple[int, list[str]]]:
    """(line number, values of ``columns``) of every row that is not empty; headers compared without blanks and case."""
    try:
        with table.open(newline="", encoding="utf-8-sig") as stream:
            lines = list(csv.reader(stream))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise DataError(
            f"cannot read {table}: {error}", expected="a CSV file in UTF-8", fix="download the file again"
        ) from error
    header = [_plain(name) for name in lines[0]] if lines else []
    missing = [name for name in columns if _plain(name) not in header]
    if missing:
        raise DataError(
            f"{table} has no column {', '.join(map(repr, missing))}; it has {lines[0][:8] if lines else 'no header'}",
            expected=f"the columns {', '.join(columns)} in the first line",
            fix="restore the table's header, or download the file again",
        )
    twice = [name for name, count in Counter(name for name in header if name).items() if count > 1]
    if twice:
        raise _bad_row(table, 1, f"the columns {twice} are there twice", "every column once")
    places = [header.index(_plain(name)) for name in columns]
    for number, line in enumerate(lines[1:], start=2):
        values = [line[place].strip() if place < len(line) else "" for place in places]
        if any(values):
            yield number, values


def _plain(name: str) -> str:
    return re.sub(r"[\s-]+", " ", name).strip().lower()


def _bad_row(table: Path, line: int, received: str, expected: str) -> DataError:
    return DataError(
        f"{table}, line {line}: {received}", expected=expected, fix="correct the table, or download it again"
    )


def _say(names: Sequence[str], what: str) -> list[str]:
    if not names:
        return []
    more = f" and {len(names) - 5} more" if len(names) > 5 else ""
    return [f"{len(names)} {what}: {', '.join(names[:5])}{more}"]
