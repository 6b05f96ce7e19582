"""All that a data doctor found in one data set."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from shared.doctor.finding import ERROR, SEVERITIES, Finding, Picture
from shared.report.table import format_table


class Table(NamedTuple):
    """Numbers for the reader, such as how many photographs have which grade."""

    title: str
    columns: Sequence[str]
    rows: Sequence[Sequence[Any]]

    def __str__(self) -> str:
        return format_table(self.columns, self.rows, title=self.title)


class Sample(NamedTuple):
    """An unsuspicious picture that stands for many."""

    caption: str
    picture: Picture


@dataclass
class Diagnosis:
    """Findings in the order in which they were made, tables, and samples for the contact sheet.

    Args:
        dataset_dir: the folder examined.
        quick: nothing was decoded.
        phantom: the data are drawn, which every output says.
    """

    dataset_dir: str
    quick: bool = False
    phantom: bool = False
    findings: list[Finding] = field(default_factory=list)
    tables: list[Table] = field(default_factory=list)
    samples: list[Sample] = field(default_factory=list)

    def add(
        self,
        severity: str,
        kind: str,
        message: str,
        *subjects: str,
        fix: str = "",
        pictures: Iterable[Picture] = (),
    ) -> None:
        """Append a `Finding`."""
        self.findings.append(Finding(severity, kind, message, subjects, fix, tuple(pictures)))

    def of(self, severity: str) -> list[Finding]:
        """The findings of one severity."""
        return [finding for finding in self.findings if finding.severity == severity]

    def by_kind(self) -> dict[tuple[str, str], list[Finding]]:
        """Findings by (severity, kind), errors first, then in order of first appearance."""
        groups: dict[tuple[str, str], list[Finding]] = {}
        for severity in SEVERITIES:
            for finding in self.of(severity):
                groups.setdefault((severity, finding.kind), []).append(finding)
        return groups

    def counts(self) -> dict[str, int]:
        """Number of findings by severity."""
        return {severity: len(self.of(severity)) for severity in SEVERITIES}

    @property
    def exit_status(self) -> int:
        """0 without errors, else 1."""
        return 1 if self.of(ERROR) else 0
