"""Who reads the shards: this process, or actors of Ray Data (ray.io, Apache-2.0)."""

from __future__ import annotations

import functools
import os
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from shared.errors import ConfigError
from shared.folder.plan import Shard
from shared.folder.worker import Worker
from shared.study.executor import available_cores
from shared.study.ray_cluster import connect
from shared.workflow.errors import root_cause

Told = Callable[[Shard, int], object]


class ThisProcess:
    """Reads shard by shard here.

    Args:
        options: of `Worker`.
    """

    workers = 1

    def __init__(self, options: Mapping[str, Any]) -> None:
        self.worker = Worker(**options)

    def run(self, shards: Sequence[Shard], told: Told) -> None:
        """Read them all; ``told`` is called with a shard and a number of files that are over."""
        for shard in shards:
            self.worker.infer(shard, told=functools.partial(_one_over, told, shard))

    def stop(self) -> None:
        """Nothing runs on."""


def _one_over(told: Told, shard: Shard, status: str) -> None:
    told(shard, 1)


class ShardReader:
    """A row of Ray Data that is a shard, to a row that says how many files are over.

    Args:
        options: of `Worker`.
    """

    def __init__(self, options: Mapping[str, Any]) -> None:
        self.worker = Worker(**options)

    def __call__(self, row: Mapping[str, Any]) -> dict[str, int]:
        shard = Shard(int(row["number"]), tuple(map(str, row["files"])))
        return {"number": shard.number, "over": self.worker.infer(shard)}


class RayData:
    """Maps Ray Data's rows, which are shards, with a pool of actors that each keep one network.

    Ray Data starts an actor that dies anew and repeats its shard, which then goes on where it was. Project, weights,
    photographs and results have the same paths on all machines (a shared file system).

    Args:
        options: of `Worker`.
        address: as of `shared.study.ray_cluster.RayProcesses`.
        workers: how many actors; 0: one per GPU of the cluster, or one per two cores where there is none.

    Raises:
        ConfigError: Ray is not installed, no cluster answers, or it is too small.
        EyeBundlesError: what the predictor refuses.
    """

    def __init__(self, options: Mapping[str, Any], *, address: str, workers: int = 0) -> None:
        self.ray = connect(address)
        total = self.ray.cluster_resources()
        cores, gpus = int(total.get("CPU", 0)), int(total.get("GPU", 0))
        if not 0 <= workers <= max(cores, gpus):
            raise ConfigError(
                f"--workers is {workers!r}",
                expected=f"1 to {max(cores, gpus)}, what the Ray cluster at {address} has",
                fix="correct the number, or add machines",
            )
        self.workers = workers or gpus or max(1, cores // 2)
        each = max(1, cores // self.workers)
        passed_on = {name: value for name, value in os.environ.items() if name.startswith("EYE_BUNDLES_")}
        self.options = dict(options) | {"threads": options.get("threads") or each}
        self.resources: dict[str, Any] = {
            "num_cpus": each,
            "num_gpus": min(1.0, gpus / self.workers) if gpus else 0,
            "runtime_env": {"env_vars": passed_on | {"OMP_NUM_THREADS": str(each)}},
        }
        self.check()

    def check(self) -> None:
        """Raise what the predictor refuses, once, before there are actors."""
        from ray.exceptions import RayTaskError

        try:
            self.ray.get(self.ray.remote(**self.resources)(try_worker).remote(self.options))
        except RayTaskError as error:
            self.stop()
            raise root_cause(error.cause) from None

    def run(self, shards: Sequence[Shard], told: Told) -> None:
        """Read them all; ``told`` is called with a shard and the number of its files that are over."""
        from ray import data

        data.DataContext.get_current().enable_progress_bars = False
        by_number = {shard.number: shard for shard in shards}
        rows = [{"number": shard.number, "files": list(shard.files)} for shard in shards]
        # A block is what an actor is given at a time, and what is repeated if it dies.
        reader: Any = ShardReader
        read = data.from_items(rows, override_num_blocks=len(rows)).map(
            reader,
            fn_constructor_args=(self.options,),
            compute=data.ActorPoolStrategy(size=self.workers),
            **self.resources,
        )
        for row in read.iter_rows():
            told(by_number[int(row["number"])], int(row["over"]))

    def stop(self) -> None:
        """End the actors; a cluster goes on."""
        self.ray.shutdown()


def try_worker(options: Mapping[str, Any]) -> None:
    """Load the weights once."""
    Worker(**options)


def make_pool(options: Mapping[str, Any], *, ray: str, workers: int) -> ThisProcess | RayData:
    """Actors where an address is given, else this process.

    Raises:
        ConfigError: no sensible number of workers.
    """
    if isinstance(workers, bool) or not isinstance(workers, int) or workers < 0:
        raise ConfigError(f"--workers is {workers!r}", expected="a whole number", fix="correct the number")
    if ray:
        return RayData(options, address=ray, workers=workers)
    if workers > 1:
        raise ConfigError(
            f"--workers {workers} without --ray",
            expected=f"Ray for more than one process (this machine has {available_cores()} cores)",
            fix="add --ray local",
        )
    return ThisProcess(options)
