"""A diagnosis as files: everything as JSON and CSV, and the contact sheet."""

from __future__ import annotations

from pathlib import Path

from shared.doctor.diagnosis import Diagnosis
from shared.doctor.finding import Finding
from shared.doctor.sheet import draw_contact_sheet
from shared.report.files import write_csv, write_json

COLUMNS = ("severity", "kind", "subjects", "message", "fix")


def write_diagnosis(diagnosis: Diagnosis, output_dir: str | Path) -> list[Path]:
    """Write ``doctor.json``, ``doctor.csv`` and, where there is a picture to show, ``doctor.png``.

    Returns:
        the files written.

    Raises:
        DataError: the folder cannot be written; what was there is untouched.
    """
    folder = Path(output_dir)
    content = {
        "dataset_dir": diagnosis.dataset_dir,
        "check": "quick" if diagnosis.quick else "full",
        "phantom": diagnosis.phantom,
        "counts": diagnosis.counts(),
        "kinds": [
            {"severity": severity, "kind": kind, "count": len(findings)}
            for (severity, kind), findings in diagnosis.by_kind().items()
        ],
        "findings": [_row(finding) | {"subjects": list(finding.subjects)} for finding in diagnosis.findings],
        "tables": [table._asdict() for table in diagnosis.tables],
    }
    written = [
        write_json(folder / "doctor.json", content),
        write_csv(folder / "doctor.csv", [_row(finding) for finding in diagnosis.findings], COLUMNS),
    ]
    sheet = folder / "doctor.png"
    if draw_contact_sheet(diagnosis, sheet):
        written.append(sheet)
    else:
        sheet.unlink(missing_ok=True)  # one of an earlier diagnosis would belong to other findings
    return written


def _row(finding: Finding) -> dict[str, str]:
    return {
        "severity": finding.severity,
        "kind": finding.kind,
        "subjects": "; ".join(finding.subjects),
        "message": finding.message,
        "fix": finding.fix,
    }
