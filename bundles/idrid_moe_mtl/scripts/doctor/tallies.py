"""What the data set consists of: tables for the reader, and samples for the contact sheet."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any

import numpy as np

from scripts.doctor.files import Survey
from scripts.doctor.pixels import Look
from scripts.idrid import GRADE_CLASSES, GRADE_COLUMNS, MASK_FOLDERS, SETS
from shared.doctor import Diagnosis, Sample, Table

SAMPLES = 5


def add_tables(
    survey: Survey, sizes: Mapping[str, tuple[int, int]], diagnosis: Diagnosis, *, looks: Mapping[str, Look] | None
) -> None:
    """Grades and lesions by set, and the photographs' sizes."""
    for kind, classes in GRADE_CLASSES.items():
        rows = []
        for subset in SETS:
            counts = Counter(e.grades[kind] for e in survey.entries if e.subset == subset and kind in e.grades)
            if counts:
                rows.append([subset, *(counts[grade] for grade in range(classes)), counts.total()])
        if rows:
            columns = ["part B", *(f"grade {grade}" for grade in range(classes)), "all"]
            diagnosis.tables.append(Table(f"{GRADE_COLUMNS[kind]} ({kind}): photographs by grade", columns, rows))
    rows = [_lesion_row(survey, subset, kind, looks) for subset in SETS for kind in MASK_FOLDERS]
    if any(row[2] for row in rows):
        columns = ["part A", "mask", "files", "photographs", "mean share of retina %", "largest %"]
        shown = [row for row in rows if row[3]]
        width = len(columns) if looks is not None else 4
        diagnosis.tables.append(Table("Masks", columns[:width], [row[:width] for row in shown]))
    parts = {entry.name: f"{entry.part}/{entry.subset}" for entry in survey.entries}
    numbers = Counter((parts[name], f"{width}x{height}") for name, (height, width) in sizes.items())
    sizes_rows = [[part, size, number] for (part, size), number in sorted(numbers.items())]
    if sizes_rows:
        diagnosis.tables.append(Table("Sizes (width x height)", ["set", "size", "photographs"], sizes_rows))


def _lesion_row(survey: Survey, subset: str, kind: str, looks: Mapping[str, Look] | None) -> list[Any]:
    entries = [entry for entry in survey.entries if (entry.part, entry.subset) == ("A", subset)]
    files = [entry for entry in entries if kind in entry.masks]
    shares = [100 * look.shares[kind] for e in files if (look := (looks or {}).get(e.name)) and kind in look.shares]
    mean, most = (float(np.mean(shares)), float(np.max(shares))) if shares else (None, None)
    return [subset, kind, len(files), len(entries), mean, most]


def add_samples(survey: Survey, diagnosis: Diagnosis) -> None:
    """A few photographs of every set of which nothing but notes was said, evenly spread over it."""
    suspicious = {
        picture.path for finding in diagnosis.findings if finding.severity != "note" for picture in finding.pictures
    }
    for part in "AB":
        for subset in SETS:
            fine = [
                entry
                for entry in survey.entries
                if (entry.part, entry.subset) == (part, subset) and entry.image not in suspicious
            ]
            for place in np.unique(np.linspace(0, len(fine) - 1, min(SAMPLES, len(fine))).astype(int)):
                entry = fine[place]
                grades = [f"{kind} {grade}" for kind, grade in entry.grades.items()]
                labels = f"masks {', '.join(sorted(entry.masks)) or 'none'}" if part == "A" else ", ".join(grades)
                diagnosis.samples.append(Sample(f"{entry.name}: {labels}", survey.picture(entry)))
