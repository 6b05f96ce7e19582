"""One row measured: both sides in processes of their own, run in turn so that drift of the machine cancels."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from benchmarks.cases import Case
from benchmarks.work import Host


@dataclass
class Row:
    """A measured `Case`: seconds per run and peak MiB of (reference, ours), None where a row has no reference."""

    case: Case
    seconds: tuple[list[float] | None, list[float]]
    peaks: tuple[float | None, float]
    facts: tuple[dict[str, Any], dict[str, Any]] = field(default_factory=lambda: ({}, {}))
    agreement: str = ""
    equal: bool = True

    @property
    def ratio(self) -> float | None:
        """Median over the pairs of reference time over our time."""
        reference, ours = self.seconds
        return None if reference is None else float(np.median(np.divide(reference, ours)))

    @property
    def missed(self) -> bool:
        return self.case.aim is not None and self.ratio is not None and self.ratio < self.case.aim


def measure(case: Case, *, repeats: int, threads: int = 0) -> Row:
    """Compare results first, then time ``repeats`` pairs after one warm-up."""
    hosts: list[Host] = []
    try:
        sides = [side for side in (case.reference, case.ours) if side is not None]
        for side in sides:
            hosts.append(Host(side, threads=threads))
        for host in hosts:
            host.ready()
        agreement, equal = agree(case, hosts)
        for host in hosts:
            host.ask("once")
            host.ask("rest")
        seconds: list[list[float]] = [[] for _ in hosts]
        for _ in range(repeats):
            for host, taken in zip(hosts, seconds, strict=True):
                taken.append(host.ask("once") / case.steps)
        peaks = [host.ask("peak") for host in hosts]
        facts = [host.ask("facts") for host in hosts]
    finally:
        for host in hosts:
            host.close()
    if case.reference is None:
        return Row(case, (None, seconds[0]), (None, peaks[0]), ({}, facts[0]))
    return Row(case, (seconds[0], seconds[1]), (peaks[0], peaks[1]), (facts[0], facts[1]), agreement, equal)


def agree(case: Case, hosts: list[Host]) -> tuple[str, bool]:
    """Both results compared exactly (see each `Work`) and as they are measured."""
    if case.agree is None or len(hosts) < 2:
        return "", True
    texts, equal = [], True
    reference = {exact: hosts[0].ask("result", exact=exact) for exact in (True, False)}
    for exact in (True, False):
        found = case.agree(hosts[1].ask("result", exact=exact), reference[exact], exact)
        texts.append(found.text)
        equal &= found.within
    if texts[0] == texts[1]:
        return texts[0], equal
    return f"exact: {texts[0]}; as measured: {texts[1]}", equal
