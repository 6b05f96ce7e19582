"""Several tasks' losses made one: by fixed weights, or by weights that are learned.

Source: Kendall, Gal and Cipolla, "Multi-Task Learning Using Uncertainty to Weigh Losses", CVPR 2018, equations 5 to 10.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping

import torch
from torch import Tensor, nn

from shared.errors import ConfigError


class FixedWeights(nn.Module):
    """``sum of weight * loss`` over the tasks that have a loss.

    Args:
        weights: task -> weight, 0 or more, not all 0.

    Raises:
        ConfigError: for other weights.
    """

    def __init__(self, weights: Mapping[str, float]) -> None:
        super().__init__()
        if not weights or min(weights.values()) < 0 or not sum(weights.values()):
            raise ConfigError(
                f"task weights {dict(weights)}",
                expected="for each task a number of 0 or more, not all 0",
                fix="correct the key `task_weights`",
            )
        self.weights = dict(weights)

    def forward(self, losses: Mapping[str, Tensor]) -> Tensor:
        """The total, 0-d. A task without an entry (no label in the batch) adds nothing.

        Raises:
            ConfigError: a loss has no weight.
        """
        _check_names(losses, self.weights)
        return torch.stack([self.weights[name] * loss for name, loss in losses.items()]).sum()


class UncertaintyWeights(nn.Module):
    """``sum of f exp(-s) loss + s / 2`` with one learned ``s`` (log of the task's variance) for each task.

    f is 1 for classification (cross entropy, Dice) and 1/2 for regression. For losses that stay the same, ``s`` goes to
    ``log(2 f loss)``: a task that errs much counts little, and ``s / 2`` keeps it from being given up.

    The parameters train only if the optimiser has them: see `all_parameters`. They want no weight decay, which would
    pull every task's weight towards 1.

    Args:
        tasks: names.
        regression: those of them that are regressions.
        initial: of every ``s``; 0: weight 1 (regression: 1/2).

    Raises:
        ConfigError: for no task, or a regression that is none of them.
    """

    def __init__(self, tasks: Iterable[str], *, regression: Collection[str] = (), initial: float = 0.0) -> None:
        super().__init__()
        names = list(tasks)
        if not names or not set(regression) <= set(names):
            raise ConfigError(
                f"tasks {names}, of which regressions {list(regression)}",
                expected="at least one task; regressions among the tasks",
                fix="correct `tasks` or `regression`",
            )
        self.log_variances = nn.ParameterDict({name: nn.Parameter(torch.tensor(float(initial))) for name in names})
        self.factors = {name: 0.5 if name in regression else 1.0 for name in names}

    @property
    def weights(self) -> dict[str, float]:
        """What every loss is now multiplied by, for logging."""
        return {name: self.factors[name] * float(torch.exp(-s.detach())) for name, s in self.log_variances.items()}

    def forward(self, losses: Mapping[str, Tensor]) -> Tensor:
        """The total, 0-d; may be negative. A task without an entry adds nothing, and its weight stays.

        Raises:
            ConfigError: a loss is of no task.
        """
        _check_names(losses, self.factors)
        terms = []
        for name, loss in losses.items():
            log_variance = self.log_variances[name]
            terms.append(self.factors[name] * torch.exp(-log_variance) * loss + log_variance / 2)
        return torch.stack(terms).sum()


def all_parameters(network: nn.Module, loss: nn.Module, *, weight_decay: float = 0.0) -> list[dict[str, object]]:
    """Parameter groups for an optimiser: the network's, and the loss's own without weight decay.

    Weights of tasks that are learned belong to the loss; an optimiser of the network's parameters alone, as in the
    published system, never moves them.
    """
    groups: list[dict[str, object]] = [{"params": list(network.parameters()), "weight_decay": weight_decay}]
    own = list(loss.parameters())
    return groups + ([{"params": own, "weight_decay": 0.0}] if own else [])


def _check_names(losses: Mapping[str, Tensor], known: Mapping[str, float]) -> None:
    if not losses or (unknown := sorted(losses.keys() - known.keys())):
        raise ConfigError(
            f"losses of tasks without weight: {unknown}" if losses else "there is no loss: the batch has no label",
            expected=f"tasks of {sorted(known)}",
            fix="correct `weights` or `tasks`",
        )
