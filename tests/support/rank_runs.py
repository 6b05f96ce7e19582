"""Runs of bundles by two ranks, one after the other in the same two processes: starting them takes seconds."""

from __future__ import annotations

import os
import socket
from contextlib import redirect_stdout
from pathlib import Path
from typing import Any, NamedTuple

import torch
import torch.multiprocessing as mp

SIZE = 2
# A network whose losses do not depend on how a batch is shared out, and steps that do not magnify rounding.
COMPARABLE = {
    "network": {"_target_": "tests.support.frozen.start_frozen", "network": "@network_def", "device": "@device"},
    "optimizer": {"_target_": "torch.optim.SGD", "params": "$@network.parameters()", "lr": 0.02},
}


class Run(NamedTuple):
    """A bundle, its configuration files, and keys."""

    bundle: str
    names: tuple[str, ...]
    keys: dict[str, Any]


class FailingInferer:
    """Raises on rank 1 at the third batch."""

    def __init__(self) -> None:
        self.calls = 0

    def __call__(self, inputs: Any, network: Any, *arguments: Any, **more: Any) -> Any:
        from shared.errors import DataError

        self.calls += 1
        if os.environ.get("RANK") == "1" and self.calls == 3:
            raise DataError("the third batch of rank 1", expected="another", fix="look at its photographs")
        return network(inputs, *arguments, **more)


def run_on_two_ranks(runs: list[Run], *, home: Path) -> list[str]:
    """Run them; returns what each rank printed. An exception of one rank is raised."""
    mp.spawn(_run_all, args=(runs, [free_port() for _ in runs], str(home)), nprocs=SIZE)
    return [(home / f"printed-{rank}.txt").read_text() for rank in range(SIZE)]


def free_port() -> int:
    """A port of this computer that nobody uses."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _run_all(rank: int, runs: list[Run], ports: list[int], home: str) -> None:
    from tests.support.bundle import run

    torch.set_num_threads(1)
    place = {"RANK": str(rank), "LOCAL_RANK": str(rank), "WORLD_SIZE": str(SIZE), "MASTER_ADDR": "127.0.0.1"}
    os.environ.update(place, EYE_BUNDLES_HOME=home, GLOO_SOCKET_IFNAME="lo")
    Path(home).mkdir(parents=True, exist_ok=True)
    with Path(home, f"printed-{rank}.txt").open("w", buffering=1) as printed, redirect_stdout(printed):
        for job, port in zip(runs, ports, strict=True):
            os.environ["MASTER_PORT"] = str(port)
            run(job.bundle, *job.names, **job.keys)
