"""What a folder's inference leaves for people: all findings in one table, what failed in another, and the numbers."""

from __future__ import annotations

import csv
import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from shared.folder.journal import FAILED, READ, Entry, Journal
from shared.folder.plan import Shard
from shared.report.files import write_csv, write_json

SUMMARY, FAILURES, NUMBERS = "summary.csv", "failed.csv", "summary.json"


def ended_entries(folder: Path, shards: Sequence[Shard]) -> Iterator[Entry]:
    """Of all files that are over, in the plan's order."""
    for shard in shards:
        ended = Journal(folder, shard).ended()
        yield from (ended[name] for name in shard.files if name in ended)


def write_failures(folder: Path, shards: Sequence[Shard]) -> int:
    """Rewrite ``failed.csv``: file and reason; returns how many."""
    failed = [entry for entry in ended_entries(folder, shards) if entry["status"] == FAILED]
    write_csv(
        folder / FAILURES, [{"file": entry["file"], "reason": entry["reason"]} for entry in failed], ["file", "reason"]
    )
    return len(failed)


def write_summary(folder: Path, shards: Sequence[Shard], *, about: dict[str, Any]) -> dict[str, Any]:
    """Write all three; row by row, so that a million take no memory.

    Args:
        folder: of the results.
        shards: of the plan.
        about: further facts for ``summary.json``.

    Returns:
        the content of ``summary.json``.
    """
    columns: dict[str, None] = {}
    counts, seconds = {READ: 0, FAILED: 0}, 0.0
    for entry in ended_entries(folder, shards):
        counts[entry["status"]] += 1
        seconds += float(entry.get("seconds", 0.0)) if entry["status"] == READ else 0.0
        for row in entry.get("findings", []):
            columns |= dict.fromkeys(row)
    path = folder / SUMMARY
    scratch = path.with_name(f".{SUMMARY}")
    with scratch.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, ["file", "outputs", *columns], lineterminator="\n")
        writer.writeheader()
        for entry in ended_entries(folder, shards):
            for row in entry.get("findings", []):
                writer.writerow({"file": entry["file"], "outputs": entry["outputs"]} | row)
    os.replace(scratch, path)
    write_failures(folder, shards)
    planned = sum(len(shard.files) for shard in shards)
    numbers = {
        "planned": planned,
        **counts,
        "left": planned - sum(counts.values()),
        "seconds_per_file": round(seconds / counts[READ], 4) if counts[READ] else None,
    }
    write_json(folder / NUMBERS, numbers | about)
    return numbers | about
