"""The plane in which a training moved most, beside what a random walk would show.

Source: Li et al. 2018, section 7: principal components of the differences to the final weights, through these (not
centred on their mean). Baseline: Antognini and Sohl-Dickstein, "PCA of high dimensional random walks with comparison to
neural network training", NeurIPS 2018, here for differences to the walk's end; two components then tell 90 % of any
long walk, so that such a number says nothing about a training.

Dimensions: N snapshots before the last.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from shared.errors import DataError
from shared.observatory.plane import Plane, Weights, dot

Array = npt.NDArray[np.float64]


class Trajectory(NamedTuple):
    """A plane through the last snapshot along the two principal components, each of length 1.

    ``path_N2`` are the coordinates of all snapshots, the last at 0, 0; ``explained_2`` is the share of the squared
    distances to the last snapshot that each direction tells, ``walk_2`` that share for a random walk in infinitely many
    dimensions with snapshots at the same times.
    """

    plane: Plane
    path_N2: Array
    explained_2: Array
    walk_2: Array

    @property
    def text(self) -> str:
        """Explained variance in words."""
        return (
            f"two directions tell {self.explained_2.sum():.1%} of the path ({self.explained_2[0]:.1%} + "
            f"{self.explained_2[1]:.1%}); of a random walk {self.walk_2.sum():.1%}"
        )


def principal_plane(snapshots: Sequence[Weights], *, times: Sequence[float] | None = None) -> Trajectory:
    """The PCA plane of saved weights.

    Args:
        snapshots: parameters by name, in order, at least three.
        times: when each was saved, in any unit, increasing; default: at equal intervals.

    Raises:
        DataError: too few or equal snapshots, others' shapes, or times that do not increase.
    """
    times = list(range(len(snapshots))) if times is None else list(times)
    _check(snapshots, times)
    last = snapshots[-1]
    steps = [{name: value.double() - last[name].double() for name, value in item.items()} for item in snapshots[:-1]]
    gram_NN = np.array([[dot(one, other) for other in steps] for one in steps])
    values, vectors = np.linalg.eigh(gram_NN)
    values, vectors = values[::-1][:2], vectors[:, ::-1][:, :2]
    if values[0] <= 0 or values[1] <= values[0] * 1e-12:
        raise DataError(
            "the snapshots lie on one line or are all equal",
            expected="snapshots of a training that moved in at least two directions",
            fix="save more snapshots, or use random planes",
        )
    first, second = (combine(steps, vectors[:, k] / values[k] ** 0.5, like=last) for k in range(2))
    path_N2 = np.concatenate([vectors * np.sqrt(values), np.zeros((1, 2))])
    return Trajectory(
        plane=Plane(dict(last), first, second, "plane of the training's two principal components"),
        path_N2=path_N2,
        explained_2=values / np.trace(gram_NN),
        walk_2=random_walk_share(times),
    )


def project(weights: Weights, plane: Plane) -> Array:
    """Coordinates [2] of the plane's point nearest to ``weights``, also where its directions are not orthogonal."""
    away = {name: value.double() - plane.centre[name].double() for name, value in weights.items()}
    directions = (plane.first, plane.second)
    gram = np.array([[dot(one, other) for other in directions] for one in directions])
    return np.linalg.solve(gram, np.array([dot(away, direction) for direction in directions]))


def random_walk_share(times: Sequence[float], *, components: int = 2) -> Array:
    """Shares of the leading components of a random walk's squared distances to its end, in infinitely many dimensions.

    The products of the differences are then ``min(t_i, t_j)``, with t counted back from the end; at equal intervals
    their eigenvalues are ``1 / (4 sin^2((2k - 1) pi / (4N + 2)))``.
    """
    back_N = times[-1] - np.asarray(times[:-1], np.float64)
    values = np.linalg.eigvalsh(np.minimum.outer(back_N, back_N))[::-1]
    return values[:components] / values.sum()


def combine(steps: Sequence[Weights], factors_N: Array, *, like: Weights) -> dict[str, Tensor]:
    """Sum of weights times factors, in the types of ``like``."""
    return {
        name: torch.stack([factor * step[name] for factor, step in zip(factors_N, steps, strict=True)]).sum(0).to(value)
        for name, value in like.items()
    }


def _check(snapshots: Sequence[Weights], times: Sequence[float]) -> None:
    shapes = [{name: tuple(value.shape) for name, value in item.items()} for item in snapshots]
    problem = ""
    if len(snapshots) < 3:
        problem = f"{len(snapshots)} snapshots"
    elif any(item != shapes[-1] for item in shapes):
        problem = "snapshots of networks with other parameters or shapes"
    elif len(times) != len(snapshots) or any(late <= early for early, late in pairwise(times)):
        problem = f"{len(snapshots)} snapshots at times {list(times)}"
    if problem:
        raise DataError(
            problem,
            expected="at least three of one network, in the order of training",
            fix="save more snapshots (shared.observatory.SnapshotSaver), or use random planes",
        )
