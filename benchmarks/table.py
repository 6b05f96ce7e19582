"""Measured rows as a Markdown table and as CSV with where they come from."""

from __future__ import annotations

import csv
import io
import os
import platform
import statistics
import time
from collections.abc import Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

from benchmarks.measure import Row
from shared.inferers import autocast_dtype
from shared.workflow.record import commit_of

PACKAGES = ("torch", "monai", "numpy", "pillow", "h5py")
COLUMNS = ("row", "experts run", "reference s", "ours s", "ratio", "aim", "peak MiB", "equal results")


def provenance(*, device: str, threads: int, **options: Any) -> dict[str, str]:
    """Where numbers come from, as text."""
    import torch

    cpu = platform.processor() or platform.machine()
    information = Path("/proc/cpuinfo")
    if information.is_file():
        names = [line.split(":")[1].strip() for line in information.read_text().splitlines() if "model name" in line]
        cpu = names[0] if names else cpu
    return {
        "hardware": torch.cuda.get_device_name() if device.startswith("cuda") else cpu,
        "cores": str(os.cpu_count()),
        "threads": str(threads or torch.get_num_threads()),
        "reduced precision": str(autocast_dtype(device)).removeprefix("torch."),
        "load before (1, 5, 15 min)": ", ".join(f"{load:.2f}" for load in os.getloadavg()),
        "versions": ", ".join(
            [f"python {platform.python_version()}", *(f"{name} {version(name)}" for name in PACKAGES)]
        ),
        "commit": commit_of(Path(__file__).parent),
        "date": time.strftime("%Y-%m-%d %H:%M %z"),
        "options": ", ".join(f"{key} {value}" for key, value in options.items()),
    }


def markdown(rows: Sequence[Row]) -> str:
    """A table with one line per row."""
    lines = [COLUMNS, ["---"] * len(COLUMNS), *(cells(row) for row in rows)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def cells(row: Row) -> list[str]:
    reference, ours = row.seconds
    aim = "" if row.case.aim is None else f"{row.case.aim:g}x " + ("missed" if row.missed else "met")
    peaks = " / ".join(f"{peak:,.0f}" for peak in row.peaks if peak is not None)
    experts = " / ".join(f"{facts['experts']:.2f}" for facts in row.facts if "experts" in facts)
    shares = ", ".join(f"{name} {share:.0%}" for name, share in row.facts[1].get("shares", {}).items())
    notes = [row.facts[1].get("data", ""), shares, row.agreement, "" if row.equal else "**NOT EQUAL**"]
    return [
        f"{row.case.group}: {row.case.name}",
        experts,
        "" if reference is None else f"{statistics.median(reference):.3f}",
        f"{statistics.median(ours):.3f}",
        "" if row.ratio is None else f"{row.ratio:.2f}x",
        aim,
        peaks,
        "; ".join(note for note in notes if note),
    ]


def to_csv(rows: Sequence[Row], facts: Mapping[str, str]) -> str:
    """CSV; its first lines, which begin with ``#``, say where it comes from."""
    out = io.StringIO()
    for key, value in facts.items():
        out.write(f"# {key}: {value}\n")
    names = ("group", "row", "experts_reference", "experts_ours", "repeats")
    times = tuple(f"{side}_{which}_s" for side in ("reference", "ours") for which in ("median", "min", "max"))
    rest = ("ratio_median", "ratio_min", "ratio_max", "aim", "aim_met", "reference_peak_mib", "ours_peak_mib", "notes")
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow((*names, *times, *rest))
    for row in rows:
        reference, ours = row.seconds
        ratios = [] if reference is None else [a / b for a, b in zip(reference, ours, strict=True)]
        writer.writerow(
            [
                row.case.group,
                row.case.name,
                *(f"{facts['experts']:.3f}" if "experts" in facts else "" for facts in row.facts),
                len(ours),
                *summary(reference or []),
                *summary(ours),
                *summary(ratios, digits=3),
                "" if row.case.aim is None else f"{row.case.aim:g}",
                "" if row.case.aim is None else ("no" if row.missed else "yes"),
                *("" if peak is None else f"{peak:.0f}" for peak in row.peaks),
                cells(row)[-1].replace("**", ""),
            ]
        )
    return out.getvalue()


def summary(values: Sequence[float], *, digits: int = 4) -> list[str]:
    """Median, smallest and largest, or three empty cells."""
    if not values:
        return [""] * 3
    return [f"{value:.{digits}f}" for value in (statistics.median(values), min(values), max(values))]
