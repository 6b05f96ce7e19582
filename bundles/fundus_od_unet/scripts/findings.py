"""Everything found in one photograph of the disc: as JSON, as a line of a table, as words."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from scripts.entry import CUP, DISC
from scripts.laterality import UNKNOWN, Laterality
from scripts.rim import quadrants, rim_profile, vertical_ratio
from scripts.segmented import Segmented
from shared.data.field_of_view import FieldOfView
from shared.report.findings import Disc, find_disc, largest_component, touches_border
from shared.report.names import absolute

LEFT_VIEW, WHOLE = "left of two", "whole"
EDGE = 0.02


def describe_disc(
    path: str, found: Segmented, *, eye: Laterality, stereo: bool, field: FieldOfView | None = None
) -> dict[str, Any]:
    """Findings in plain types; lengths in pixels of the photograph's own size, positions from its upper left corner.

    Args:
        path: the photograph's file.
        found: masks at the size of the view that was read.
        eye: which eye it is.
        stereo: whether that view is the left one of two.
        field: of view, where it is known, in the same pixels.

    Returns:
        ``photograph`` (absolute path), ``view``, ``height`` and ``width`` of the view, ``disc`` (``found``,
        ``centre_x``, ``centre_y``, ``diameter_px`` of the circle of equal area, these of the largest component;
        ``area_px`` of all that was kept (where that is more than one component, a remark says so),
        ``touches_border`` of the picture, ``touches_field_edge``, ``removed_px`` of smaller components), where the cup
        is a class ``cup``
        (``found``, ``area_px``, ``removed_px``), ``vertical_cup_to_disc`` and ``rim`` (``angle_degrees``, ``width_px``
        and ``quadrant_px``, see `scripts.rim`), ``eye`` (``eye``, ``told_by``), and ``remarks``: sentences of what to
        mind.
    """
    disc_HW = found.masks[DISC]
    main_HW = largest_component(disc_HW)
    disc = find_disc(main_HW)
    findings: dict[str, Any] = {
        "photograph": absolute(path),
        "view": LEFT_VIEW if stereo else WHOLE,
        "height": disc_HW.shape[0],
        "width": disc_HW.shape[1],
        "disc": _disc(disc)
        | {"area_px": int(np.count_nonzero(disc_HW)), "touches_border": touches_border(disc_HW)}
        | {"touches_field_edge": touches_field_edge(disc_HW, field), "removed_px": found.removed_px[DISC]},
        "eye": eye._asdict(),
    }  # fmt: skip
    if CUP in found.masks:
        cup_HW = found.masks[CUP]
        profile = rim_profile(disc_HW, cup_HW)
        findings["cup"] = {
            "found": bool(cup_HW.any()),
            "area_px": int(np.count_nonzero(cup_HW)),
            "removed_px": found.removed_px[CUP],
        }
        findings["vertical_cup_to_disc"] = vertical_ratio(disc_HW, cup_HW)
        findings["rim"] = None if profile is None else {
            "angle_degrees": profile.angle_A,
            "width_px": profile.width_A,
            "quadrant_px": {name: round(width, 1) for name, width in quadrants(profile, eye=eye.eye).items()},
        }  # fmt: skip
    others = int(np.count_nonzero(disc_HW) - np.count_nonzero(main_HW))
    return findings | {"remarks": _remarks(findings, others)}


def touches_field_edge(mask_HW: NDArray[np.bool_], field: FieldOfView | None) -> bool | None:
    """Whether the mask reaches the field's circle, to within a fiftieth of its radius; ``None`` without a field."""
    if field is None:
        return None
    rows, columns = np.nonzero(mask_HW)
    away = np.hypot(rows - field.centre_y, columns - field.centre_x).max(initial=0.0)
    return bool(away > field.diameter / 2 * (1 - EDGE))


def summary_row(name: str, findings: Mapping[str, Any]) -> dict[str, Any]:
    """One line of ``summary.csv`` from the content of a photograph's JSON."""
    row = {"name": name} | {key: findings[key] for key in ("photograph", "view", "height", "width")}
    row |= findings["eye"] | {"eye_told_by": findings["eye"]["told_by"]}
    del row["told_by"]
    row |= {f"disc_{key}": value for key, value in findings["disc"].items()}
    if "cup" in findings:
        row |= {f"cup_{key}": value for key, value in findings["cup"].items()}
        row["vertical_cup_to_disc"] = findings["vertical_cup_to_disc"]
        widths = (findings["rim"] or {}).get("quadrant_px", {})
        row |= {f"rim_{place}_px": width for place, width in widths.items()}
    return row | {"remarks": "; ".join(findings["remarks"])}


def title_text(findings: Mapping[str, Any]) -> str:
    """The eye, and what to mind, such as ``right eye (told by the name); no cup was found``."""
    eye = findings["eye"]
    words = "eye unknown" if eye["eye"] == UNKNOWN else f"{eye['eye']} eye (told by {eye['told_by']})"
    return "; ".join([words, *findings["remarks"]])


def legend_texts(findings: Mapping[str, Any]) -> dict[str, str]:
    """Entries of the overlay's legend by class."""
    diameter = findings["disc"]["diameter_px"]
    texts = {DISC: "disc: not found" if diameter is None else f"disc: diameter {diameter:.0f} px"}
    if "cup" in findings:
        ratio = findings["vertical_cup_to_disc"]
        known = ratio is not None and not np.isnan(ratio)
        texts[CUP] = f"cup: vertical cup-to-disc ratio {ratio:.2f}" if known else "cup: -"
    return texts


def _disc(disc: Disc | None) -> dict[str, Any]:
    values = [None] * len(Disc._fields) if disc is None else [round(value, 1) for value in disc]
    return {"found": disc is not None} | dict(zip(Disc._fields, values, strict=True))


def _remarks(findings: Mapping[str, Any], others: int) -> list[str]:
    """``others``: pixels of the disc outside its largest component, kept."""
    remarks = []
    if not findings["disc"]["found"]:
        remarks.append("no disc was found")
    if findings["disc"]["touches_border"]:
        remarks.append("the disc touches the picture's border: its diameter, area and rim are not the whole disc's")
    elif findings["disc"]["touches_field_edge"]:
        remarks.append(
            "the disc reaches the edge of the field of view: its diameter, area and rim may not be the whole's"
        )
    if others:
        remarks.append(
            f"all components of the disc were kept ({others} pixels outside the largest): area, cup-to-disc ratio and "
            "rim are of all of them, centre and diameter of the largest"
        )
    if "cup" in findings and findings["disc"]["found"] and not findings["cup"]["found"]:
        remarks.append("no cup was found")
    for name in (DISC, CUP):
        if findings.get(name, {}).get("removed_px"):
            removed = findings[name]["removed_px"]
            remarks.append(f"only the largest component of the {name} was kept (pixels removed: {removed})")
    if findings["view"] == LEFT_VIEW:
        remarks.append("stereo photograph: the left view was read")
    return remarks
