"""Several processes, one per GPU: joining, leaving, and who may write."""

from __future__ import annotations

import os

import torch
import torch.distributed as dist

from shared.errors import ConfigError


def is_main_process() -> bool:
    """Whether this process writes files and prints: the only one, or rank 0."""
    return not (dist.is_available() and dist.is_initialized()) or dist.get_rank() == 0


def local_device() -> torch.device:
    """The device of this process under `torchrun`: GPU number LOCAL_RANK, or the CPU where there is none."""
    return torch.device("cuda", int(os.environ["LOCAL_RANK"])) if torch.cuda.is_available() else torch.device("cpu")


def join_process_group() -> None:
    """Join the other processes that `torchrun` started: NCCL on GPUs, gloo on CPUs.

    Raises:
        ConfigError: when not started by `torchrun`.
    """
    if "LOCAL_RANK" not in os.environ:
        raise ConfigError(
            "multi_gpu_train.json was run as one process",
            expected="processes started by torchrun",
            fix="torchrun --standalone --nproc_per_node=2 -m monai.bundle run training --config_file ...",
        )
    if torch.cuda.is_available():
        torch.cuda.set_device(local_device())
    dist.init_process_group("nccl" if torch.cuda.is_available() else "gloo")


def leave_process_group() -> None:
    """Wait for all, then leave; without the barrier a third of clean runs abort at exit."""
    dist.barrier()
    dist.destroy_process_group()
