"""Draws the parts of a phantom data set in several processes.

Workers are plain programs of their own that import neither torch nor the caller's main module: nothing is forked from
a process with threads, it works under any start method and from an interactive session, and every worker that loses
its parent ends when it next reports.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

Order = dict[str, Any]
Fact = dict[str, Any]
_REPOSITORY = Path(__file__).resolve().parents[2]


def draw_shares(
    draw: Callable[[Order], Iterator[Fact]],
    order: Order,
    *,
    module: str,
    bundle_root: Path,
    number: int,
    workers: int | None,
    unit: str,
    progress: bool,
) -> list[Fact]:
    """Draws everything that ``order`` asks for, shared out by its keys ``first`` and ``step``.

    Args:
        draw: draws every ``step``-th part from ``first`` on, yielding what is true of each (JSON types).
        order: JSON types. module: its module, which calls :func:`serve` with ``draw`` when run as a program.
        bundle_root: where ``module`` is found. number: how many parts there are.
        workers: processes; all cores by default. unit: name of a part. progress: show a bar with the time left.

    Returns:
        the facts, in no particular order.

    Raises:
        OSError: if a file cannot be written or a worker fails.
    """
    from shared.progress import progress_bar

    wanted = max(1, min(workers or _cores(), number))
    facts: list[Fact] = []
    with progress_bar(total=number, desc="drawing PHANTOMS", unit=unit, disable=not progress) as bar:
        if wanted == 1:
            for fact in draw(order | {"first": 0, "step": 1}):
                facts.append(fact)
                bar.update()
        else:
            orders = [order | {"first": first, "step": wanted} for first in range(wanted)]
            _draw_in_processes(orders, module=module, bundle_root=bundle_root, facts=facts, bar=bar)
    return facts


def serve(draw: Callable[[Order], Iterator[Fact]]) -> None:
    """What a worker does: carry out the order on its command line, printing one line of JSON for each part."""
    for fact in draw(json.loads(sys.argv[1])):
        print(json.dumps(fact), flush=True)


def _cores() -> int:
    """Cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _draw_in_processes(orders: list[Order], *, module: str, bundle_root: Path, facts: list[Fact], bar: Any) -> None:
    search = [str(bundle_root), str(_REPOSITORY), os.environ.get("PYTHONPATH", "")]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, search)), "OMP_NUM_THREADS": "1"}
    lock = threading.Lock()
    processes: list[subprocess.Popen[str]] = []

    def follow(process: subprocess.Popen[str]) -> None:
        assert process.stdout is not None
        complaint = ""
        for line in process.stdout:
            if line.startswith("{"):
                with lock:
                    facts.append(json.loads(line))
                    bar.update()
            else:
                complaint += line
        if process.wait():
            raise OSError(f"a worker that draws phantoms failed ({process.returncode}):\n{complaint.strip()}")

    try:
        for order in orders:
            command = [sys.executable, "-m", module, json.dumps(order)]
            processes.append(
                subprocess.Popen(
                    command,
                    env=environment,
                    cwd=bundle_root,
                    stdout=subprocess.PIPE,
                    stderr=subprocess.STDOUT,
                    text=True,
                )
            )
        with ThreadPoolExecutor(len(orders)) as pool:
            try:
                for followed in [pool.submit(follow, process) for process in processes]:
                    followed.result()
            except BaseException:
                for process in processes:
                    process.terminate()
                raise
    finally:
        for process in processes:
            process.terminate()
            process.wait()
            if process.stdout:
                process.stdout.close()
