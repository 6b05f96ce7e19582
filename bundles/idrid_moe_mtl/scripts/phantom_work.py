"""Draws the eyes of a plan in several processes.

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
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from scripts.phantom_files import write_eye
from scripts.phantom_plan import plan_eyes

# Below this many megapixels in all, starting processes costs more than it saves.
_WORTH_A_PROCESS = 6.0


def draw_all(
    folder: Path, settings: dict[str, Any], *, size: Sequence[int], workers: int | None, progress: bool
) -> list[dict[str, Any]]:
    """Draws every eye planned for ``settings`` (arguments of ``plan_eyes``) into ``folder``.

    Returns:
        what is true of each eye, in the order of the plan, whatever the number of workers.

    Raises:
        OSError: if a file cannot be written or a worker fails.
    """
    number = len(plan_eyes(**settings))
    megapixels = number * size[0] * size[1] / 1e6
    wanted = workers or (_cores() if megapixels > _WORTH_A_PROCESS else 1)
    wanted = max(1, min(wanted, number))
    facts: list[dict[str, Any]] = []
    # The drawing processes import neither `shared` nor torch: that would cost each of them seconds.
    from shared.progress import progress_bar

    with progress_bar(total=number, desc="drawing PHANTOMS", unit="eye", disable=not progress) as bar:
        if wanted == 1:
            for fact in _draw_share(folder, settings, size=size, first=0, step=1):
                facts.append(fact)
                bar.update()
        else:
            _draw_in_processes(folder, settings, size=size, workers=wanted, facts=facts, bar=bar)
    return sorted(facts, key=lambda fact: fact["eye"])


def _cores() -> int:
    """Cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _draw_share(
    folder: Path, settings: dict[str, Any], *, size: Sequence[int], first: int, step: int
) -> Iterator[dict[str, Any]]:
    """Draws every ``step``-th eye from ``first`` on."""
    eyes = plan_eyes(**settings)
    rgba = f"A/test/IDRiD_{sum(settings['num_masked']):02d}"
    for eye in eyes[first::step]:
        yield write_eye(folder, eye, size=(size[0], size[1]), seed=settings["seed"], rgba=rgba)


def _draw_in_processes(
    folder: Path,
    settings: dict[str, Any],
    *,
    size: Sequence[int],
    workers: int,
    facts: list[dict[str, Any]],
    bar: Any,
) -> None:
    bundle_root = str(Path(__file__).resolve().parents[1])
    environment = os.environ | {
        "PYTHONPATH": os.pathsep.join([bundle_root, os.environ.get("PYTHONPATH", "")]),
        "OMP_NUM_THREADS": "1",
    }
    lock = threading.Lock()
    processes: list[subprocess.Popen[str]] = []
    for first in range(workers):
        order = json.dumps({"folder": str(folder), "settings": settings, "size": size, "first": first, "step": workers})
        command = [sys.executable, "-m", "scripts.phantom_work", order]
        processes.append(
            subprocess.Popen(
                command, env=environment, cwd=bundle_root, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
            )
        )

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
        with ThreadPoolExecutor(workers) as pool:
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


if __name__ == "__main__":
    _order = json.loads(sys.argv[1])
    for _fact in _draw_share(
        Path(_order["folder"]), _order["settings"], size=_order["size"], first=_order["first"], step=_order["step"]
    ):
        print(json.dumps(_fact), flush=True)
