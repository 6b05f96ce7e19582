"""The learning rate: a given one, that of the run that goes on, or one found by a range test before training."""

from __future__ import annotations

import copy
import logging
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from monai.data import DataLoader
from monai.optimizers import LearningRateFinder
from torch import nn
from torch.utils.data import Dataset

from shared.data.sampling import SeededBatchSampler
from shared.errors import ConfigError, TrainingError
from shared.ranks import alone, is_main, num_ranks

log = logging.getLogger(__name__)

AUTO = "auto"
LOWEST, HIGHEST, STEPS = 1e-6, 1.0, 100
FEWEST = 10


def resolve_learning_rate(
    learning_rate: float | str,
    *,
    network: nn.Module,
    loss: nn.Module,
    make_optimizer: Callable[..., torch.optim.Optimizer],
    dataset: Dataset,
    sampler: SeededBatchSampler,
    seed: int,
    device: torch.device | str,
    output_dir: str | Path,
    resume: str = "never",
    steps: int = STEPS,
) -> float:
    """The number that the optimiser starts with.

    Args:
        learning_rate: a number, or "auto": see `find_learning_rate`. A run that goes on from a checkpoint keeps the
            rate that its optimiser started with.
        make_optimizer: called with ``params`` and ``learning_rate``.
        output_dir, resume: as of `RunCheckpoint`.
        more: see `find_learning_rate`.

    Raises:
        ConfigError: neither a number above 0 nor "auto".
        TrainingError: none could be found.
    """
    if learning_rate != AUTO:
        if isinstance(learning_rate, (bool, str)) or not learning_rate > 0:
            raise ConfigError(
                f"learning_rate is {learning_rate!r}",
                expected=f"a number above 0, or {AUTO!r}",
                fix="for example --learning_rate 0.001",
            )
        return float(learning_rate)
    checkpoint = {"auto": Path(output_dir) / "checkpoint.pt", "never": None}.get(resume, Path(resume))
    if checkpoint is not None and checkpoint.is_file():
        # Handlers import engines.
        from shared.handlers.load import read_tensors

        group = read_tensors(checkpoint)["objects"]["optimizer"]["param_groups"][0]
        rate = float(group.get("initial_lr", group["lr"]))
        log.info("learning rate %.3g, of the run that goes on", rate)
        return rate
    return find_learning_rate(
        network=network,
        loss=loss,
        make_optimizer=make_optimizer,
        dataset=dataset,
        sampler=sampler,
        seed=seed,
        device=device,
        steps=steps,
    )


def find_learning_rate(
    *,
    network: nn.Module,
    loss: nn.Module,
    make_optimizer: Callable[..., torch.optim.Optimizer],
    dataset: Dataset,
    sampler: SeededBatchSampler,
    seed: int = 0,
    device: torch.device | str = "cpu",
    steps: int = STEPS,
) -> float:
    """MONAI's `LearningRateFinder`: the rate at which the loss falls most steeply while the rate grows step by step.

    Copies of the network, the loss and the sampler are used, and PyTorch's generators are put back: training goes on
    as if nothing had been. The same seed gives the same rate. Of several processes the first looks for it, with the
    whole of the batches that they have in common.

    Args:
        network: ready to be trained, on ``device``.
        loss: of (output, label).
        make_optimizer: called with ``params`` and ``learning_rate``.
        dataset: items with ``image`` and ``label``.
        sampler: of the training.
        steps: from `LOWEST` to `HIGHEST`; fewer where the loss grows to five times its least.

    Raises:
        TrainingError: the loss is not finite from the first steps on, or never falls.

    Source: Smith, "Cyclical Learning Rates for Training Neural Networks", WACV 2017.
    """
    if not is_main():
        return _of_first_process(math.nan)
    with alone():
        rate = _found(network, loss, make_optimizer, dataset, sampler, seed=seed, device=device, steps=steps)
    log.info("learning rate %.3g was found", rate)
    return _of_first_process(rate)


def _found(
    network: nn.Module,
    loss: nn.Module,
    make_optimizer: Callable[..., torch.optim.Optimizer],
    dataset: Dataset,
    sampler: SeededBatchSampler,
    *,
    seed: int,
    device: torch.device | str,
    steps: int,
) -> float:
    trial, own_loss = copy.deepcopy(network), copy.deepcopy(loss)
    batches = copy.copy(sampler)
    batches.rank, batches.world_size = 0, 1
    batches.set_epoch(0)
    loader = DataLoader(dataset, batch_sampler=batches, num_workers=0)
    devices = [torch.device(device)] if torch.device(device).type == "cuda" else []
    with torch.random.fork_rng(devices):
        torch.manual_seed(seed)
        optimizer = make_optimizer(params=trial.parameters(), learning_rate=LOWEST)
        finder = LearningRateFinder(trial, optimizer, own_loss, device=device, verbose=False)
        log.info("learning rate: looking for it in up to %d steps from %g to %g", steps, LOWEST, HIGHEST)
        finder.range_test(loader, start_lr=LOWEST, end_lr=HIGHEST, num_iter=steps, auto_reset=False)
    losses = finder.history["loss"]
    finite = next((place for place, value in enumerate(losses) if not math.isfinite(value)), len(losses))
    finder.history = {name: values[:finite] for name, values in finder.history.items()}
    rate = finder.get_steepest_gradient()[0] if finite >= FEWEST else None
    if rate is None or min(losses[:finite]) >= losses[0]:
        raise TrainingError(
            f"no learning rate was found: of {len(losses)} steps {finite} have a finite loss, from {losses[0]:.4g} to "
            f"{min(losses[:finite], default=math.nan):.4g}",
            expected="a loss that falls before it grows",
            fix="give --learning_rate a number, or look at the data and the loss",
        )
    return float(rate)


def _of_first_process(rate: float) -> float:
    """The first process's number, where there are several."""
    if num_ranks() == 1:
        return rate
    rates: list[Any] = [rate]
    torch.distributed.broadcast_object_list(rates, src=0)
    return float(rates[0])
