"""Several tasks' gradients made one step by the library torchjd, so that no task is sacrificed to another.

Dimensions: T tasks, P shared parameters (numbers, all tensors in a row).

Source: torchjd (MIT), which names the papers: PCGrad (Yu et al. 2020), CAGrad (Liu et al. 2021), UPGrad (Quinton and
Rey 2024), MGDA (Sener and Koltun 2018), IMTL-G (Liu et al. 2021), Nash-MTL (Navon et al. 2022), GradDrop (Chen et al.
2020), DualProj (Lopez-Paz and Ranzato 2017), random weighting (Lin et al. 2021).
"""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import torch
from torch import Tensor, nn

from shared.errors import ConfigError

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
    if method not in METHODS:
        near = difflib.get_close_matches(method, METHODS, n=1)
        raise ConfigError(
            f"gradient weighting {method!r}",
            expected=f"one of {', '.join(METHODS)}",
            fix=f"did you mean {near[0]!r}?" if near else "correct the key `weighting`",
        )
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
    3. Parameters of one task alone (its head) get their task's gradient as it is.

    Args:
        losses: 0-d each; a task without a label in the batch is left out.
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
        for parameter, grad in zip(heads, found[len(trunk) :], strict=True):
            if grad is not None:
                _add(parameter, grad)
    matrix_TP = torch.stack(rows)
    # A float16 scaler looks for infinite gradients and skips the step; some aggregators fail on them instead.
    step_P = aggregator(matrix_TP) if bool(torch.isfinite(matrix_TP).all()) else matrix_TP.sum(0)
    for parameter, grad in zip(trunk, step_P.split([parameter.numel() for parameter in trunk]), strict=True):
        _add(parameter, grad.view_as(parameter))


def _add(parameter: nn.Parameter, grad: Tensor) -> None:
    parameter.grad = grad.clone() if parameter.grad is None else parameter.grad + grad
