"""A diagnosis for people to read in a terminal."""

from __future__ import annotations

from shared.doctor.diagnosis import Diagnosis
from shared.doctor.finding import Finding
from shared.draw.look import titled


def format_diagnosis(diagnosis: Diagnosis, *, examples: int = 3) -> str:
    """Findings grouped by kind, errors first, at most ``examples`` of each; then the tables and the verdict."""
    check = "quick check: headers and tables, no pixels" if diagnosis.quick else "full check: every file decoded"
    lines = [titled(f"data doctor on {diagnosis.dataset_dir} ({check})", phantom=diagnosis.phantom), ""]
    for (severity, kind), findings in diagnosis.by_kind().items():
        count = f"  ({len(findings)})" if len(findings) > 1 else ""
        lines.append(f"{severity.upper():<8} {kind}{count}")
        lines += [f"{'':<9}{line}" for finding in findings[:examples] for line in str(finding).splitlines()]
        if len(findings) > examples:
            lines.append(f"{'':<9}and {len(findings) - examples} more")
        fix = next((finding.fix for finding in findings if finding.fix), "")
        lines += [f"{'':<9}-> {fix}"] * bool(fix)
    for table in diagnosis.tables:
        lines += ["", str(table)]
    return "\n".join([*lines, "", verdict(diagnosis)])


def verdict(diagnosis: Diagnosis) -> str:
    """One line: how many errors, warnings and notes."""
    counts = diagnosis.counts()
    numbers = ", ".join(f"{number} {name}{'s' * (number != 1)}" for name, number in counts.items())
    healthy = "healthy" if not counts["error"] else "NOT HEALTHY"
    return f"{healthy}: {numbers}"


def brief(finding: Finding) -> str:
    """Kind and finding in one line."""
    return f"{finding.kind}: {' '.join(str(finding).split())}"
