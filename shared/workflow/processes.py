"""Several processes, one per GPU: joining, leaving, and who may write."""

from __future__ import annotations

import os
from datetime import timedelta

import torch
import torch.distributed as dist
from torch import nn

from shared.errors import ConfigError

# The others wait while the main process writes its report, longer than PyTorch's 10 or 30 minutes for large sets.
LONGEST_WAIT = timedelta(hours=3)


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
    backend = "nccl" if torch.cuda.is_available() else "gloo"
    dist.init_process_group(backend, timeout=LONGEST_WAIT)


def leave_process_group() -> None:
    """Wait for all, then leave; without the barrier a third of clean runs abort at exit."""
    dist.barrier()
    dist.destroy_process_group()


def distribute(network: nn.Module) -> nn.Module:
    """The network for training by all processes: gradients are averaged; one without gradients is returned as it is.

    BatchNorm's statistics stay each process's own, as several forward passes may precede one backward pass.
    """
    if not any(parameter.requires_grad for parameter in network.parameters()):
        return network
    return nn.parallel.DistributedDataParallel(network, broadcast_buffers=False)
