"""Several processes, one per GPU: joining, leaving, and who may write."""

from __future__ import annotations

import logging
import os
import secrets
import time
from datetime import timedelta

import torch
import torch.distributed as dist
from torch import nn

from shared.errors import ConfigError
from shared.ranks import gather_to_all, is_main

# The others wait while the main process writes its report, longer than PyTorch's 10 or 30 minutes for large sets.
LONGEST_WAIT = timedelta(hours=3)


_stamp = ""


def new_stamp() -> str:
    """Date, time and four random hexadecimal digits."""
    return f"{time.strftime('%Y%m%d-%H%M%S')}-{secrets.token_hex(2)}"


def common_stamp() -> str:
    """The one that the ranks agreed on when they met; empty without others."""
    return _stamp


def is_main_process() -> bool:
    """Whether this process writes files and prints: the only one, or rank 0."""
    return is_main()


def local_device() -> torch.device:
    """The device of this process under `torchrun`: GPU number LOCAL_RANK, or the CPU where there is none."""
    return torch.device("cuda", int(os.environ["LOCAL_RANK"])) if torch.cuda.is_available() else torch.device("cpu")


def join_process_group() -> None:
    """Join the other processes that `torchrun` started: NCCL between GPUs, gloo between CPUs.

    Only the main process logs what is less than a warning.

    Raises:
        ConfigError: when not started by `torchrun`.
    """
    if "LOCAL_RANK" not in os.environ:
        raise ConfigError(
            "a multi_gpu configuration was run as one process",
            expected="processes started by torchrun",
            fix="torchrun --standalone --nproc_per_node=2 -m monai.bundle run ..., or leave multi_gpu_*.json out",
        )
    if torch.cuda.is_available():
        torch.cuda.set_device(local_device())
    backend = "cpu:gloo,cuda:nccl" if torch.cuda.is_available() else "gloo"
    store, rank, world_size = next(dist.rendezvous("env://", timeout=LONGEST_WAIT))
    if os.environ.get("GROUP_WORLD_SIZE") == "1":
        # `torchrun` keeps one store for all attempts: a restarted worker would look for those that died before.
        store = dist.PrefixStore(f"attempt {os.environ.get('TORCHELASTIC_RESTART_COUNT', '0')}", store)
    dist.init_process_group(backend, store=store, rank=rank, world_size=world_size, timeout=LONGEST_WAIT)
    global _stamp
    _stamp = gather_to_all(new_stamp())[0]
    if not is_main():
        logging.disable(logging.INFO)


def leave_process_group() -> None:
    """Wait for all, then leave; without the barrier a third of clean runs abort at exit."""
    global _stamp
    dist.barrier()
    dist.destroy_process_group()
    _stamp = ""
    logging.disable(logging.NOTSET)


def distribute(network: nn.Module) -> nn.Module:
    """The network for training by all processes: gradients are averaged; one without gradients is returned as it is.

    BatchNorm's statistics stay each process's own, as several forward passes may precede one backward pass.
    """
    if not any(parameter.requires_grad for parameter in network.parameters()):
        return network
    return nn.parallel.DistributedDataParallel(network, broadcast_buffers=False)
