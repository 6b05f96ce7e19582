"""A result's JSON as HTML: every number with its unit, nothing that the JSON does not say, nothing unescaped."""

from __future__ import annotations

import re
from typing import Any

from shared.demo.findings import describe, heading, shown


def text(findings: dict[str, Any], **more: Any) -> str:
    """What is read, without marks."""
    page = describe(findings, **({"titles": {}, "colours": {}} | more))
    return re.sub(r"\s+", " ", re.sub(r"<[^>]*>", " ", page))


def test_grades_and_classes_are_bars_with_the_answer() -> None:
    findings = {"grades": {"RG": {"grade": 1, "probabilities": [0.25, 0.7, 0.05]}}}
    page = describe(findings, titles={"RG": "Retinopathy grade"}, colours={})
    assert "Retinopathy grade: <em>1</em>" in page
    assert re.findall(r"width:([\d.]+)%", page) == ["25.0", "70.0", "5.0"]
    assert page.count("bar chosen") == 1
    classes = {"classes": {"species": {"class": "cat", "number": 0, "probabilities": {"cat": 0.9, "dog": 0.1}}}}
    assert "species: cat cat 0.900 dog 0.100" in text(classes)


def test_lesions_and_fluids_are_tables_in_the_units_that_are_known() -> None:
    lesions = {"lesions": {"MA": {"count": 4, "area_px": 2527, "retina_share": 0.0761}}}
    assert "Lesions Count Area, px Retina share MA 4 2,527 7.61%" in text(lesions)
    fluids = {"physical": True, "fluids": {"IRF": {"volume_mm3": 0.03301, "max_thickness_um": 35.08}}}
    assert "Fluids Volume, mm³ Max thickness, µm IRF 0.03301 35.1" in text(fluids)
    unknown = {"physical": False, "fluids": {"IRF": {"voxels": 4, "voxels_by_bscan": [4]}}, "classes": {"IRF": 1}}
    assert "no spacing in mm, so everything is counted in pixels" in text(unknown)
    assert "mm³" not in text(unknown)
    assert "Voxels IRF 4" in text(unknown)


def test_experts_are_as_wide_as_their_gates() -> None:
    page = describe({"experts": {"RG": {"0": 0.6, "2": 0.4}}}, titles={}, colours={})
    assert "Experts used and their gates: 0, 2" in page
    assert re.findall(r"expert(\d)\" style=\"width:([\d.]+)%", page) == [("0", "60.0"), ("2", "40.0")]


def test_remarks_thresholds_and_notes_are_said() -> None:
    findings = {"remarks": ["no disc was found"], "thresholds_not_chosen": ["MA"], "disc": {"diameter_px": None}}
    said = text(findings, notes=["PHANTOM"])
    assert said.index("PHANTOM") < said.index("no disc was found") < said.index("not chosen on validation: MA")
    assert "Diameter, px -" in said


def test_names_are_escaped() -> None:
    bad = "<script>alert(1)</script>"
    findings = {bad: {bad: bad}, "remarks": [bad], "grades": {bad: {"grade": 0, "probabilities": [1.0]}}}
    page = describe(findings | {"experts": {bad: {"0": 1.0}}}, titles={}, colours={}, notes=[bad])
    assert "<script" not in page


def test_numbers_and_keys_as_words() -> None:
    values = [1234567, 0.000123456, 12.345, True, None, "", "left"]
    assert [shown("x", value) for value in values] == ["1,234,567", "0.0001235", "12.3", "yes", "-", "-", "left"]
    assert [heading(key) for key in ("area_px", "bscan_with_most", "px")] == ["Area, px", "B-scan with most", "Px"]
