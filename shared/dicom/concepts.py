"""What segments are called in DICOM: a code for every lesion, structure and fluid that a bundle finds.

SNOMED CT codes are those that pydicom carries with the DICOM standard's own tables (a test compares them). Where these
have no code that means the same, the private scheme `PRIVATE_SCHEME` is used, and the file says that it is one.
"""

from __future__ import annotations

from typing import NamedTuple

PRIVATE_SCHEME = "99EYE"
PRIVATE_SCHEME_NAME = "MONAI Eye Bundles, private codes"
SNOMED = "SCT"


class Concept(NamedTuple):
    """A coded term: value, scheme and meaning."""

    value: str
    scheme: str
    meaning: str


class Finding(NamedTuple):
    """What a segment shows: of which category, what exactly, and where (``None`` where that says nothing)."""

    category: Concept
    kind: Concept
    region: Concept | None


ANATOMICAL = Concept("91723000", SNOMED, "Anatomical Structure")
ABNORMAL = Concept("49755003", SNOMED, "Morphologically Abnormal Structure")
SPATIAL = Concept("309825002", SNOMED, "Spatial and Relational Concept")
RETINA = Concept("5665001", SNOMED, "Retina")
EYE = Concept("81745001", SNOMED, "Eye")
SIDES = {"left": Concept("7771000", SNOMED, "Left"), "right": Concept("24028007", SNOMED, "Right")}
OPTIC_DISC = Finding(ANATOMICAL, Concept("81016008", SNOMED, "Optic nerve head"), EYE)


def _private(value: str, meaning: str) -> Concept:
    return Concept(value, PRIVATE_SCHEME, meaning)


FINDINGS = {
    "MA": Finding(ABNORMAL, _private("MA", "Retinal microaneurysm"), RETINA),
    "HE": Finding(ABNORMAL, Concept("50960005", SNOMED, "Hemorrhage"), RETINA),
    "EX": Finding(ABNORMAL, _private("EX", "Hard exudate"), RETINA),
    "SE": Finding(ABNORMAL, _private("SE", "Soft exudate (cotton wool spot)"), RETINA),
    "OD": OPTIC_DISC,
    "disc": OPTIC_DISC,
    "cup": Finding(ANATOMICAL, _private("CUP", "Optic cup"), EYE),
    "IRF": Finding(ABNORMAL, _private("IRF", "Intraretinal fluid"), RETINA),
    "SRF": Finding(ABNORMAL, _private("SRF", "Subretinal fluid"), RETINA),
    "PED": Finding(ABNORMAL, _private("PED", "Pigment epithelial detachment"), RETINA),
    "fluid": Finding(ABNORMAL, _private("FLUID", "Fluid in or under the retina"), RETINA),
}


def finding_of(name: str, *, title: str = "") -> Finding:
    """The codes of a class or mask task.

    A name that is not known gets a private code made of it, and ``title`` as its meaning.
    """
    known = FINDINGS.get(name)
    return known or Finding(SPATIAL, _private(name.upper()[:16], (title or name)[:64]), None)
