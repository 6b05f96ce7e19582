"""Labels that contradict each other: grades against masks, and grades of copies."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from scripts.doctor.files import Survey
from scripts.doctor.pixels import Look
from scripts.doctor.tables import Centres
from scripts.idrid import GRADE_CLASSES, GRADE_COLUMNS, Entry
from shared.data.duplicates import COPY, Duplicate
from shared.doctor import WARNING, Diagnosis

LESIONS = ("MA", "HE", "EX", "SE")
MANY_EXUDATES = 0.0002
LOOK = "look at it: a wrong grade, a mask of another photograph, or a borderline case"


def check_labels(
    survey: Survey, looks: Mapping[str, Look], pairs: Sequence[Duplicate], centres: Centres, diagnosis: Diagnosis
) -> None:
    """Compare the masks of part A with the grades of the same photograph in part B, and copies with each other."""
    fovea = centres["fovea"]
    for pair in pairs:
        first, second = survey.entries[pair.first], survey.entries[pair.second]
        if pair.correlation < COPY:
            continue
        for masked, graded in ((first, second), (second, first)):
            if masked.part == "A" and graded.part == "B" and masked.name in looks:
                _compare(survey, masked, graded, looks[masked.name], fovea.get(graded.name), diagnosis)
        for kind in GRADE_CLASSES:
            grades = first.grades.get(kind), second.grades.get(kind)
            if None not in grades and grades[0] != grades[1]:
                message = f"the same photograph has {GRADE_COLUMNS[kind]} {grades[0]} and {grades[1]}"
                pictures = [survey.picture(first), survey.picture(second)]
                subjects = first.name, second.name
                diagnosis.add(WARNING, "copies with different grades", message, *subjects, fix=LOOK, pictures=pictures)


def _compare(
    survey: Survey, masked: Entry, graded: Entry, look: Look, fovea: tuple | None, diagnosis: Diagnosis
) -> None:
    subjects, pictures = (masked.name, graded.name), [survey.picture(masked)]
    drawn = {kind: look.shares[kind] for kind in LESIONS if look.shares.get(kind)}
    retinopathy, edema = graded.grades.get("RG"), graded.grades.get("MER")
    if retinopathy == 0 and drawn:
        shares = ", ".join(f"{kind} {share:.2%} of the retina" for kind, share in drawn.items())
        message = f"retinopathy grade 0 (no lesion), but masks are drawn: {shares}"
        kind = "grade 0 in spite of lesions"
        diagnosis.add(WARNING, kind, message, *subjects, fix=LOOK, pictures=pictures)
    if retinopathy is not None and retinopathy > 0 and not drawn:
        message = f"retinopathy grade {retinopathy}, but no lesion is drawn"
        diagnosis.add(WARNING, "grade without lesions", message, *subjects, fix=LOOK, pictures=pictures)
    if edema and not drawn.get("EX"):
        message = f"risk of macular edema {edema} (hard exudates), but none is drawn"
        diagnosis.add(WARNING, "edema risk without exudates", message, *subjects, fix=LOOK, pictures=pictures)
    if edema == 0 and drawn.get("EX", 0) > MANY_EXUDATES:
        near = _near_fovea(look, fovea)
        where = "" if near is None else f", {near:.0%} of them within a disc diameter of the fovea"
        message = f"risk of macular edema 0 (no hard exudates), but {drawn['EX']:.2%} of the retina is EX{where}"
        kind = "no edema risk in spite of exudates"
        diagnosis.add(WARNING, kind, message, *subjects, fix=LOOK, pictures=pictures)


def _near_fovea(look: Look, fovea: tuple | None) -> float | None:
    """Share of the hard exudates within one disc diameter of the fovea."""
    if fovea is None or "OD" not in look.small or not look.small["OD"].any():
        return None
    exudates_HW = look.small["EX"]
    diameter = 2 * np.sqrt(look.small["OD"].sum() / np.pi)
    ys, xs = np.nonzero(exudates_HW)
    distances = np.hypot(ys - fovea[0] * exudates_HW.shape[0], xs - fovea[1] * exudates_HW.shape[1])
    return float((distances < diameter).mean())
