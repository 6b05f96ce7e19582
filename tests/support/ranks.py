"""Two processes that work together by gloo, for tests of what they do as if they were one."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
import torch.distributed as dist
import torch.multiprocessing as mp

SIZE = 2


def on_two_ranks(work: Callable[..., Any], *arguments: Any, folder: Path) -> list[Any]:
    """What ``work(*arguments)``, a function of a module, returns on each rank; an exception of one is raised."""
    mp.spawn(_run, args=(work, arguments, str(folder)), nprocs=SIZE)
    return [torch.load(folder / f"{rank}.pt", weights_only=False) for rank in range(SIZE)]


def _run(rank: int, work: Callable[..., Any], arguments: tuple[Any, ...], folder: str) -> None:
    torch.set_num_threads(1)
    os.environ["GLOO_SOCKET_IFNAME"] = "lo"
    dist.init_process_group("gloo", init_method=f"file://{folder}/meeting", rank=rank, world_size=SIZE)
    torch.save(work(*arguments), Path(folder) / f"{rank}.pt")
    dist.barrier()
    dist.destroy_process_group()
