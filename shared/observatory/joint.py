"""One plane for several runs of a network: the two directions in which they lie furthest from each other.

The centre is the mean of their last weights, so that none is favoured. Baseline as in `trajectory`: independent random
walks from one start, in infinitely many dimensions. The centre's weights were never trained, so that BatchNorm's stored
means fit none of its points: re-estimate them.

Dimensions: R runs, N snapshots of a run, M of all.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from shared.errors import DataError
from shared.observatory.plane import Plane, Weights, dot
from shared.observatory.trajectory import combine

Array = npt.NDArray[np.float64]


class JointPlane(NamedTuple):
    """A plane with the path [N, 2] of each run on it.

    ``explained_2`` is the share of all snapshots' squared distances to the centre that each direction tells, ``walk_2``
    that share for independent random walks from one start, seen at the same times.
    """

    plane: Plane
    paths: Mapping[str, Array]
    explained_2: Array
    walk_2: Array

    @property
    def text(self) -> str:
        """Explained variance in words."""
        return (
            f"two directions tell {self.explained_2.sum():.1%} of the {len(self.paths)} paths; "
            f"of random walks from one start {self.walk_2.sum():.1%}"
        )


def joint_plane(runs: Mapping[str, Sequence[Weights]], *, times: Mapping[str, Sequence[float]]) -> JointPlane:
    """The plane of several runs.

    Args:
        runs: by name, parameters by name, in order of training.
        times: by name, when each was saved, from 0 at the common start.

    Raises:
        DataError: fewer than two runs or three snapshots, networks of other shapes, or all weights alike.
    """
    everything = [item for snapshots in runs.values() for item in snapshots]
    shapes = [{name: tuple(value.shape) for name, value in item.items()} for item in everything]
    if len(runs) < 2 or len(everything) < 3 or any(item != shapes[0] for item in shapes):
        raise DataError(
            f"{len(runs)} runs with {len(everything)} snapshots, or of networks with other parameters or shapes",
            expected="at least two runs of one network with three snapshots in all",
            fix="choose runs that were trained with the same network settings",
        )
    ends = [snapshots[-1] for snapshots in runs.values()]
    centre = combine(ends, np.full(len(ends), 1 / len(ends)), like=ends[0])
    steps = [{name: value.double() - centre[name].double() for name, value in item.items()} for item in everything]
    gram_MM = np.array([[dot(one, other) for other in steps] for one in steps])
    values, vectors = np.linalg.eigh(gram_MM)
    values, vectors = values[::-1][:2], vectors[:, ::-1][:, :2]
    if values[0] <= 0 or values[1] <= values[0] * 1e-12:
        raise DataError(
            "the runs' weights lie on one line or are all equal",
            expected="runs that moved apart",
            fix="choose runs that were trained in different ways, or for longer",
        )
    first, second = (combine(steps, vectors[:, k] / values[k] ** 0.5, like=centre) for k in range(2))
    borders = np.cumsum([len(snapshots) for snapshots in runs.values()])[:-1]
    paths = dict(zip(runs, np.split(vectors * np.sqrt(values), borders), strict=True))
    return JointPlane(
        plane=Plane(centre, first, second, f"plane of {len(runs)} runs' two principal components"),
        paths=paths,
        explained_2=values / np.trace(gram_MM),
        walk_2=random_walks_share([times[name] for name in runs]),
    )


def random_walks_share(times: Sequence[Sequence[float]], *, components: int = 2) -> Array:
    """Shares of the leading components of independent walks' squared distances to the mean of their ends.

    The products of two walks from one start are 0, those of a walk with itself ``min(t_i, t_j)``.

    Args:
        times: of each walk's snapshots, from 0 at the start.
        components: how many.
    """
    sizes = [len(own) for own in times]
    products_MM, ends_M, start = np.zeros((sum(sizes), sum(sizes))), np.zeros(sum(sizes)), 0
    for own, size in zip(times, sizes, strict=True):
        t_N = np.asarray(own, np.float64)
        products_MM[start : start + size, start : start + size] = np.minimum.outer(t_N, t_N)
        ends_M[start + size - 1] = 1 / len(sizes)
        start += size
    to_centre_M = products_MM @ ends_M
    centred_MM = products_MM - to_centre_M[:, None] - to_centre_M[None] + ends_M @ to_centre_M
    values = np.linalg.eigvalsh(centred_MM)[::-1]
    return values[:components] / values.sum()
