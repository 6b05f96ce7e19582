"""Which files are there and what belongs together, tolerantly: every defect is noted and the rest goes on."""

from __future__ import annotations

import re
from pathlib import Path
from typing import NamedTuple

from scripts.idrid import MASK_FOLDERS, SETS, Entry, find_child, find_files
from shared.data.photograph import SUFFIXES
from shared.doctor import ERROR, NOTE, WARNING, Diagnosis, Picture

MASK_SUFFIXES = (".tif", ".tiff", ".png")
TITLES = {"A": "segmentation", "B": "grading"}
LOST = {
    ("A", "train"): (WARNING, "masks (MA, HE, EX, SE, OD) cannot be trained"),
    ("B", "train"): (WARNING, "grades (RG, MER) cannot be trained"),
    ("A", "test"): (NOTE, "masks cannot be tested; use `evaluate --split validation`"),
    ("B", "test"): (NOTE, "grades cannot be tested; use `evaluate --split validation`"),
}


class Survey(NamedTuple):
    """Photographs with their masks (part A) and, filled in later, grades (part B); the CSV of grades by set."""

    root: Path
    entries: list[Entry]
    tables: dict[str, Path]

    def name(self, path: Path) -> str:
        """A file's path from the data set's folder on."""
        return path.relative_to(self.root).as_posix() if path.is_relative_to(self.root) else str(path)

    def picture(self, entry: Entry) -> Picture:
        """A photograph with all its masks for the contact sheet."""
        return Picture(entry.image, entry.masks)


def survey_files(root: Path, diagnosis: Diagnosis, *, allow_missing: bool = False) -> Survey:
    """Find parts A and B; note what is missing, named twice, or does not pair."""
    survey = Survey(root, [], {})
    if not root.is_dir() or not (find_child(root, "A.") or find_child(root, "B.")):
        return survey
    for part in TITLES:
        folder = find_child(root, f"{part}.")
        twins = [f.name for f in sorted(root.iterdir()) if f.is_dir() and f.name.lower().startswith(f"{part}.".lower())]
        if len(twins) > 1:
            diagnosis.add(WARNING, "part given twice", f"part {part} is read from {twins[0]!r} alone", *twins)
        for subset, prefix in SETS.items():
            images = find_child(find_child(folder, "1."), prefix)
            found = _photographs(survey, images, part, subset, diagnosis)
            if not found:
                severity, consequence = LOST[part, subset]
                message = f"part {part} ({TITLES[part]}), {subset} set is absent: {consequence}"
                diagnosis.add(severity, "missing part", message, fix="unpack that archive too, if it is needed")
                continue
            labels = find_child(folder, "2.")
            if part == "A":
                _masks(survey, found, find_child(labels, prefix), subset, diagnosis, allow_missing=allow_missing)
            else:
                _table(survey, labels, subset, diagnosis)
            survey.entries.extend(found.values())
    if find_child(root, "C.") is None:
        message = "part C (localization) is absent: no centres to compare the disc and the exudates with"
        diagnosis.add(NOTE, "missing part", message)
    return survey


def _photographs(survey: Survey, folder: Path | None, part: str, subset: str, diagnosis: Diagnosis) -> dict[str, Entry]:
    found: dict[str, Entry] = {}
    for file in find_files(folder, SUFFIXES):
        others = [entry.image for stem, entry in found.items() if stem.casefold() == file.stem.casefold()]
        if others:
            diagnosis.add(
                ERROR,
                "photograph named twice",
                "the names differ in nothing but case or suffix",
                survey.name(others[0]),
                survey.name(file),
                fix="remove or rename one of them",
                pictures=[Picture(others[0]), Picture(file)],
            )
        found.setdefault(file.stem, Entry(part, subset, file, {}, {}))
    _strays(survey, folder, SUFFIXES, diagnosis)
    return found


def _strays(survey: Survey, folder: Path | None, suffixes: tuple[str, ...], diagnosis: Diagnosis) -> None:
    if folder is None:
        return
    for file in sorted(folder.rglob("*")):
        if file.is_file() and file.suffix.lower() not in suffixes and not file.name.startswith("."):
            lost = file.suffix.lower() in SUFFIXES
            message = f"not read: its suffix is none of {', '.join(suffixes)}"
            if lost:
                message += ", so the lesion counts as absent"
            diagnosis.add(WARNING if lost else NOTE, "stray file", message, survey.name(file))


def _masks(
    survey: Survey,
    found: dict[str, Entry],
    folder: Path | None,
    subset: str,
    diagnosis: Diagnosis,
    *,
    allow_missing: bool,
) -> None:
    stems = {stem.casefold(): stem for stem in found}
    for file in find_files(folder, MASK_SUFFIXES):
        match = re.fullmatch(rf"(.+)_({'|'.join(MASK_FOLDERS)})", file.stem, flags=re.IGNORECASE)
        if match is None or match[1] not in found:
            near = stems.get(match[1].casefold()) if match else None
            why = (
                f"the photograph is called {near}: its case differs"
                if near
                else "no photograph of that name"
                if match
                else f"its name does not end in _{', _'.join(MASK_FOLDERS)}"
            )
            fix = "add the photograph, correct the mask's name, or remove it (or set `allow_missing` to true)"
            severity = WARNING if allow_missing else ERROR
            kind = "mask without photograph"
            diagnosis.add(severity, kind, why, survey.name(file), fix=fix, pictures=[Picture(file)])
            continue
        entry, kind = found[match[1]], match[2].upper()
        if kind in entry.masks:
            message = f"a second {kind} mask beside {survey.name(entry.masks[kind])}"
            diagnosis.add(ERROR, "mask named twice", message, survey.name(file), fix="remove one of them")
            continue
        entry.masks[kind] = file
        others = [k for k, name in MASK_FOLDERS.items() if k != kind and file.parent.name.startswith(name[:2])]
        if others:
            message = f"an {kind} mask by its name, in the folder of {others[0]}; it is read as {kind}"
            diagnosis.add(WARNING, "mask in another folder", message, survey.name(file), fix="move or rename the file")
    _strays(survey, folder, MASK_SUFFIXES, diagnosis)
    _absent(survey, found, subset, diagnosis)


def _absent(survey: Survey, found: dict[str, Entry], subset: str, diagnosis: Diagnosis) -> None:
    if not any(entry.masks for entry in found.values()):
        message = f"part A has {len(found)} photographs in its {subset} set, but no mask for any of them"
        fix = "unpack the ground truth of part A too, or remove its photographs"
        diagnosis.add(ERROR, "no masks at all", message, fix=fix)
        return
    for entry in found.values():
        if not entry.masks:
            message = "no mask file at all: it would be learned as having no lesions"
            fix = "add its masks, or take it out"
            kind = "photograph without masks"
            diagnosis.add(WARNING, kind, message, entry.name, fix=fix, pictures=[Picture(entry.image)])
        elif "OD" not in entry.masks:
            message = "no optic disc mask: it counts as unlabelled for OD, since every eye has a disc"
            fix = "add the mask"
            pictures = [survey.picture(entry)]
            diagnosis.add(WARNING, "optic disc mask absent", message, entry.name, fix=fix, pictures=pictures)
    for kind in MASK_FOLDERS:
        without = [entry.name for entry in found.values() if entry.masks and kind not in entry.masks]
        if without and kind != "OD":
            names = ", ".join(without[:5]) + (f" and {len(without) - 5} more" if len(without) > 5 else "")
            message = f"{subset} set: {len(without)} of {len(found)} photographs have no {kind} file ({names})"
            diagnosis.add(NOTE, "no file means that the lesion is absent", message)


def _table(survey: Survey, labels: Path | None, subset: str, diagnosis: Diagnosis) -> None:
    wanted = {"train": "training", "test": "testing"}[subset]
    tables = [file for file in find_files(labels, (".csv",)) if wanted in file.name.lower()]
    if len(tables) == 1:
        survey.tables[subset] = tables[0]
        return
    message = f"part B's {subset} set has {len(tables)} CSV tables with `{wanted}` in their names, expected one"
    fix = "unpack the ground truth of part B too (once), or remove its photographs"
    diagnosis.add(ERROR, "table of grades", message, *(survey.name(table) for table in tables), fix=fix)
