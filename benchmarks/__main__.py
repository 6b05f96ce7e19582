"""`python -m benchmarks`: measure, print one table, write a CSV."""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from benchmarks.cases import GROUPS, Case, Options, all_cases
from benchmarks.measure import Row, measure
from benchmarks.photographs import FULL_SIZE
from benchmarks.table import markdown, provenance, to_csv
from shared.files import write_text
from shared.networks.resnet import BACKBONES

RESULTS = Path(__file__).parent / "results"


def size(text: str) -> tuple[int, int]:
    """(height, width) from text such as ``356x536``."""
    try:
        height, width = (int(number) for number in text.lower().split("x"))
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"{text!r} is no size: give HEIGHTxWIDTH, such as 356x536") from error
    return height, width


def parser() -> argparse.ArgumentParser:
    options = Options()
    parsing = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__, allow_abbrev=False)
    parsing.add_argument("--size", type=size, default=options.size, help="HEIGHTxWIDTH of the network's photographs")
    parsing.add_argument("--batch", type=int, default=options.batch, help="photographs per step, at least 2")
    parsing.add_argument("--backbone", choices=BACKBONES, default=options.backbone)
    parsing.add_argument("--repeats", type=int, default=7, help="pairs that are timed for each row")
    parsing.add_argument(
        "--rows", nargs="+", default=list(GROUPS), help=f"groups, or parts of 'group: row'; default: {' '.join(GROUPS)}"
    )
    parsing.add_argument("--threads", type=int, default=0, help="0: as many as PyTorch takes")
    parsing.add_argument("--device", default=options.device, help="cpu or cuda")
    parsing.add_argument("--dataset_dir", default=options.dataset_dir, help="IDRiD's folder, phantoms, or auto")
    parsing.add_argument("--pets_dir", default=options.pets_dir, help="Oxford-IIIT Pet's folder, phantoms, or auto")
    parsing.add_argument("--num_pets", type=int, default=options.num_pets, help="of pets_loader rows")
    parsing.add_argument("--photo_size", type=size, default=FULL_SIZE, help="of phantoms")
    parsing.add_argument("--canvas", type=size, default=None, help="of latency rows, for tests; default: the bundle's")
    parsing.add_argument("--scan_size", type=size, default=options.scan_size, help="of semi_supervised rows")
    parsing.add_argument("--csv", type=Path, default=None, help="default: benchmarks/results/DATE.csv")
    return parsing


def choose(cases: Sequence[Case], wanted: Sequence[str]) -> list[Case]:
    """The cases whose group is among the words, or whose group and name hold one of them."""
    return [
        case
        for case in cases
        if any(word == case.group or (word not in GROUPS and word in f"{case.group}: {case.name}") for word in wanted)
    ]


def main(arguments: Sequence[str] | None = None) -> int:
    """Exit status 1 where results were not equal within their tolerance, else 0."""
    parsing = parser()
    given = parsing.parse_args(arguments)
    options = Options(**{name: getattr(given, name) for name in Options._fields})
    cases = choose(all_cases(options), given.rows)
    if not cases or given.batch < 2 or given.repeats < 1:
        parsing.error(f"{len(cases)} rows chosen by --rows {given.rows!r}; --batch must be at least 2, --repeats 1")
    facts = provenance(
        device=given.device,
        threads=given.threads,
        size="x".join(map(str, given.size)),
        scan_size="x".join(map(str, given.scan_size)),
        batch=given.batch,
        backbone=given.backbone,
        repeats=given.repeats,
    )
    rows: list[Row] = []
    path = given.csv or RESULTS / f"{time.strftime('%Y%m%d-%H%M%S')}.csv"
    for number, case in enumerate(cases, start=1):
        print(f"[{number}/{len(cases)}] {case.group}: {case.name}", file=sys.stderr, flush=True)
        rows.append(measure(case, repeats=given.repeats, threads=given.threads))
        write_text(path, to_csv(rows, facts))
    print("\n".join(f"{key}: {value}" for key, value in facts.items()))
    print("experts run: per photograph and task, counted; two numbers: reference / ours; peak: of the whole process")
    print(f"\n{markdown(rows)}\n\nwritten to {path}")
    return 0 if all(row.equal for row in rows) else 1


if __name__ == "__main__":
    sys.exit(main())
