"""Part B's grades and part C's centres: every bad row, not the first."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from statistics import median

from scripts.doctor.files import Survey
from scripts.idrid import GRADE_CLASSES, GRADE_COLUMNS, Entry, find_child, find_files, read_table
from shared.doctor import ERROR, NOTE, WARNING, Diagnosis, Picture
from shared.errors import DataError

PUBLISHED_SIZE = (2848, 4288)
Sizes = Mapping[str, tuple[int, int]]
Centres = Mapping[str, Mapping[str, tuple[float, float]]]


def check_grades(survey: Survey, diagnosis: Diagnosis, *, allow_missing: bool = False) -> None:
    """Read the tables of grades into the entries; a grade that cannot be used is left out."""
    unpaired = WARNING if allow_missing else ERROR
    for subset, table in survey.tables.items():
        entries = {e.image.stem: e for e in survey.entries if (e.part, e.subset) == ("B", subset)}
        try:
            rows = list(read_table(table, ["Image name", *GRADE_COLUMNS.values()]))
        except DataError as error:
            diagnosis.add(ERROR, "table of grades", error.received, survey.name(table), fix=error.fix)
            continue
        seen: dict[str, int] = {}
        for line, (stem, *values) in rows:
            place = f"{survey.name(table)}, line {line}"
            if stem in seen:
                message = f"{stem} had a row already, in line {seen[stem]}"
                diagnosis.add(ERROR, "two rows of one photograph", message, place, fix="remove one of them")
                continue
            seen[stem] = line
            if stem not in entries:
                message = f"there is no photograph {stem!r} in the {subset} set"
                fix = "add the photograph or remove the row (or set `allow_missing` to true)"
                diagnosis.add(unpaired, "row without photograph", message, place, fix=fix)
            for kind, value in zip(GRADE_COLUMNS, values, strict=True):
                _grade(kind, value, stem, entries.get(stem), place, diagnosis)
        for stem, entry in entries.items():
            if stem not in seen:
                message = f"no row in {table.name}"
                fix = "add its row or remove the photograph (or set `allow_missing` to true)"
                pictures = [Picture(entry.image)]
                diagnosis.add(unpaired, "photograph without a row", message, entry.name, fix=fix, pictures=pictures)


def _grade(kind: str, value: str, stem: str, entry: Entry | None, place: str, diagnosis: Diagnosis) -> None:
    column, top = GRADE_COLUMNS[kind], GRADE_CLASSES[kind] - 1
    pictures = [Picture(entry.image)] if entry else []
    fix = f"correct the table: {column} is a whole number from 0 to {top}"
    if not re.fullmatch(r"\d+(\.0*)?", value):
        fault = "grade missing" if not value else "grade is no whole number"
        if re.fullmatch(r"-\d+(\.0*)?", value):
            fault = "grade out of range"
        message = f"the {column} of {stem} is {value!r}"
        diagnosis.add(ERROR, fault, message, place, fix=fix, pictures=pictures)
    elif int(float(value)) > top:
        message = f"the {column} of {stem} is {value}, the highest is {top}"
        diagnosis.add(ERROR, "grade out of range", message, place, fix=fix, pictures=pictures)
    elif entry is not None:
        entry.grades[kind] = int(float(value))


def check_centres(survey: Survey, sizes: Sizes, diagnosis: Diagnosis) -> Centres:
    """Note centres that are no numbers, lie outside their photograph, or have none.

    Published centres count pixels of 4288x2848 even where the photographs were scaled since; centres of a set that lie
    within the photographs as they are count pixels of these.

    Returns:
        sound centres, (y, x) as shares of height and width, by ``"disc"`` or ``"fovea"`` and name of the photograph.
    """
    centres = _centres(survey, sizes, diagnosis)
    names = {entry.name for entry in survey.entries}
    for kind, points in centres.items():
        without = sorted(points.keys() - names)
        if without:
            message = f"{len(without)} {kind} centres of photographs that are not there: {', '.join(without[:5])}"
            diagnosis.add(NOTE, "centre without photograph", message)
    return centres


def _centres(survey: Survey, sizes: Sizes, diagnosis: Diagnosis) -> Centres:
    centres: dict[str, dict[str, tuple[float, float]]] = {"disc": {}, "fovea": {}}
    for table in find_files(find_child(survey.root, "C."), (".csv",)):
        kind = "disc" if "OD_Center" in table.name else "fovea" if "Fovea_Center" in table.name else None
        subset = "test" if "testing" in table.name.lower() else "train"
        points: dict[str, tuple[float, float, str]] = {}
        try:
            rows = list(read_table(table, ["Image No", "X- Coordinate", "Y - Coordinate"])) if kind else []
        except DataError as error:
            diagnosis.add(WARNING, "table of centres", error.received, survey.name(table), fix=error.fix)
            continue
        for line, (stem, x, y) in rows:
            place, name = f"{survey.name(table)}, line {line}", f"B/{subset}/{stem}"
            if name in points:
                message = f"{stem} had a row already"
                diagnosis.add(WARNING, "two centres of one photograph", message, place, fix="remove one of them")
                continue
            try:
                points[name] = (float(y), float(x), place)
                bad = not (math.isfinite(float(y)) and math.isfinite(float(x)))
            except ValueError:
                bad = True
            if bad:
                points.pop(name, None)
                message = f"the centre of {stem!r} is {x!r}, {y!r}"
                diagnosis.add(WARNING, "centre is no number", message, place, fix="correct the table")
        for name, (down, right, place) in points.items():
            height, width = _unit(points, sizes, name)
            if not (0 <= down < height and 0 <= right < width):
                message = f"the {kind} of {name} is at x {right:g}, y {down:g}, outside {width}x{height}"
                diagnosis.add(WARNING, "centre outside the photograph", message, place, fix="correct the table")
            elif kind:
                centres[kind][name] = (down / height, right / width)
    return centres


def _unit(points: Mapping[str, tuple[float, float, str]], sizes: Sizes, name: str) -> tuple[int, int]:
    own = sizes.get(name, PUBLISHED_SIZE)
    inside = [y < sizes[n][0] and x < sizes[n][1] for n, (y, x, _) in points.items() if n in sizes]
    return own if not inside or median(inside) else PUBLISHED_SIZE
