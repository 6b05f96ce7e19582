"""Several tasks' gradients made one step by the library torchjd, so that no task is sacrificed to another.

Dimensions: T tasks, P shared parameters (numbers, all tensors in a row).

Source: torchjd (MIT), which names the papers: PCGrad (Yu et al. 2020), CAGrad (Liu et al. 2021), UPGrad (Quinton and
Rey 2024), MGDA (Sener and Koltun 2018), IMTL-G (Liu et al. 2021), Nash-MTL (Navon et al. 2022), GradDrop (Chen et al.
2020), DualProj (Lopez-Paz and Ranzato 2017), random weighting (Lin et al. 2021).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from shared.choices import check_choice
from shared.errors import ConfigError
from shared.ranks import mean_over_ranks, num_ranks, sum_over_ranks

CAGRAD_C = 0.4
METHODS = ("mean", "upgrad", "pcgrad", "cagrad", "mgda", "imtl_g", "dualproj", "nash_mtl", "graddrop", "random")


def make_aggregator(method: str, *, num_tasks: int) -> Callable[[Tensor], Tensor]:
    """A matrix of gradients [T,P] -> the gradient [P] to step along.

    ``graddrop`` and ``random`` draw from PyTorch's generator, and so does ``pcgrad`` with three tasks or more;
    ``nash_mtl`` keeps a state over the steps. The others depend on the matrix alone.

    Args:
        method: one of `METHODS`.
        num_tasks: T, which ``nash_mtl`` has to know.

    Raises:
        ConfigError: for another word, or where torchjd or the method's solver is not installed.
    """
    check_choice("weighting", method, METHODS)
    try:
        from torchjd import aggregation

        makers: dict[str, Callable[[], Any]] = {
            "mean": aggregation.Mean,
            "upgrad": aggregation.UPGrad,
            "pcgrad": aggregation.PCGrad,
            "cagrad": lambda: aggregation.CAGrad(c=CAGRAD_C),
            "mgda": aggregation.MGDA,
            "imtl_g": aggregation.IMTLG,
            "dualproj": aggregation.DualProj,
            "nash_mtl": lambda: NashOfLabelled(aggregation.NashMTL, num_tasks=num_tasks),
            "graddrop": aggregation.GradDrop,
            "random": aggregation.Random,
        }
        made: Callable[[Tensor], Tensor] = makers[method]()
    except ImportError as error:
        raise ConfigError(
            f"gradient weighting {method!r} needs torchjd and its solvers, which are not all installed ({error})",
            expected="the extra `pets`; some of its solvers are under the GPL, see docs/gradient_weighting.md",
            fix="pip install 'monai-eye-bundles[pets]', or choose a method that needs no solver, such as pcgrad",
        ) from error
    return made


class NashOfLabelled:
    """Nash-MTL for batches that may lack a task's labels: torchjd's takes one number of tasks, which is two or more.

    Each number of tasks has a state of its own. A task alone has nobody to bargain with: its gradient, shortened to
    norm 1 as torchjd shortens every step.

    Args:
        make: `torchjd.aggregation.NashMTL`.
        num_tasks: T.
    """

    def __init__(self, make: Callable[..., Any], *, num_tasks: int) -> None:
        self._by_number = {number: make(n_tasks=number) for number in range(2, num_tasks + 1)}

    def __call__(self, matrix_TP: Tensor) -> Tensor:
        if len(matrix_TP) == 1:
            return matrix_TP[0] / matrix_TP[0].norm().clamp(min=1.0)
        step_P: Tensor = self._by_number[len(matrix_TP)](matrix_TP)
        return step_P

    def reset(self) -> None:
        """Forget the steps before."""
        for aggregator in self._by_number.values():
            aggregator.reset()


def backward_by_task(
    losses: Mapping[str, Tensor],
    *,
    shared: Iterable[nn.Parameter],
    own: Iterable[nn.Parameter],
    aggregator: Callable[[Tensor], Tensor],
) -> None:
    """Add to every parameter's ``grad``, in place of ``sum(losses).backward()``.

    1. Each task's gradient of the shared parameters is a row of a matrix. 2. The aggregator makes one gradient of it.
    3. Parameters of one task alone (its head) get their task's gradient as it is. Of several ranks, all gradients are
    averaged before 2, as DistributedDataParallel would.

    Args:
        losses: 0-d each, of the same tasks on every rank; a task without a label in the batch is left out.
        shared: parameters of the trunk. own: all others that train.
    """
    trunk, heads = list(shared), list(own)
    rows = []
    for loss in losses.values():
        found = torch.autograd.grad(loss, [*trunk, *heads], retain_graph=True, allow_unused=True)
        of_trunk = [
            torch.zeros_like(parameter) if grad is None else grad for parameter, grad in zip(trunk, found, strict=False)
        ]
        rows.append(torch.cat([grad.flatten() for grad in of_trunk]))
        for parameter, grad in zip(heads, averaged(found[len(trunk) :], like=heads), strict=True):
            if grad is not None:
                _add(parameter, grad)
    matrix_TP = mean_over_ranks(torch.stack(rows))
    # A float16 scaler looks for infinite gradients and skips the step; some aggregators fail on them instead.
    step_P = aggregator(matrix_TP) if bool(torch.isfinite(matrix_TP).all()) else matrix_TP.sum(0)
    for parameter, grad in zip(trunk, step_P.split([parameter.numel() for parameter in trunk]), strict=True):
        _add(parameter, grad.view_as(parameter))


def averaged(grads: Sequence[Tensor | None], *, like: Sequence[nn.Parameter]) -> list[Tensor | None]:
    """The ranks' mean gradients of these parameters; None counts as 0, and stays where every rank has it."""
    if num_ranks() == 1 or not like:
        return list(grads)
    used_N = sum_over_ranks(torch.tensor([float(grad is not None) for grad in grads], device=like[0].device))
    full = [torch.zeros_like(own) if grad is None else grad for grad, own in zip(grads, like, strict=True)]
    joint_P = mean_over_ranks(torch.cat([grad.flatten() for grad in full]))
    parts = joint_P.split([own.numel() for own in like])
    return [part.view_as(own) if used else None for part, own, used in zip(parts, like, used_N.tolist(), strict=True)]


def _add(parameter: nn.Parameter, grad: Tensor) -> None:
    parameter.grad = grad.clone() if parameter.grad is None else parameter.grad + grad
